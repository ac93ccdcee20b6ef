import { useCallback, useEffect, useState, type ReactNode } from "react";
import { DeskContext } from "../app/context";
import { openDesk, type Desk } from "../app/desk";
import { go, useRoute } from "../app/router";
import { errorLine, useSpeech } from "../app/text/i18n";
import { Api, asClientError, type ClientError } from "../client";
import { SignInPage } from "../features/sign_in/SignInPage";
import { Button } from "../ui/Button";
import { ErrorBoundary } from "../ui/ErrorBoundary";
import { DeskPage } from "./DeskPage";

type Stage =
  | { readonly kind: "opening" }
  | { readonly kind: "signedOut"; readonly again: boolean }
  | { readonly kind: "desk"; readonly desk: Desk }
  | { readonly kind: "failed"; readonly error: ClientError };

const api = new Api();
const RETRY_MS = 2_000;
/** Of the one-time link: read once, taken out of the address at once. */
const linkToken = readLinkToken();

/** Who is there? Then the desk, or the sign-in. */
export function App(): ReactNode {
  const [stage, setStage] = useState<Stage>({ kind: "opening" });
  const { t } = useSpeech();
  const route = useRoute();
  const atSignIn = route.name === "signIn";

  const enter = useCallback(() => {
    openDesk(api).then(
      desk => setStage(desk === null ? { kind: "signedOut", again: false } : { kind: "desk", desk }),
      (problem: unknown) => setStage({ kind: "failed", error: asClientError(problem) }),
    );
  }, []);

  useEffect(() => {
    if (!atSignIn) enter();
  }, [atSignIn, enter]);

  useEffect(() => {
    if (stage.kind === "failed") {
      const timer = setTimeout(enter, RETRY_MS);
      return () => clearTimeout(timer);
    }
    if (stage.kind !== "desk") return undefined;
    const { desk } = stage;
    desk.open();
    const stopWatching = desk.connectionState.subscribe(() => {
      if (desk.connectionState.get() === "ended") setStage({ kind: "signedOut", again: true });
    });
    return () => {
      stopWatching();
      desk.close();
    };
  }, [stage, enter]);

  const signedIn = (): void => {
    if (atSignIn) go({ name: "conversation", sessionId: null, mark: null }, "replace");
    enter();
  };
  const signOut = (): void => {
    api.logout().catch(() => undefined).finally(() => setStage({ kind: "signedOut", again: false }));
  };
  return (
    <ErrorBoundary title={t("app.fault")} retryLabel={t("app.retry")}>
      {shown()}
    </ErrorBoundary>
  );

  function shown(): ReactNode {
    if (atSignIn && stage.kind !== "desk") return <SignInPage api={api} token={linkToken} again={false} onSignedIn={signedIn} />;
    switch (stage.kind) {
      case "opening":
        return <p className="page-note muted" role="status">{t("app.loading")}</p>;
      case "signedOut":
        return <SignInPage api={api} token={null} again={stage.again} onSignedIn={signedIn} />;
      case "failed":
        return <main className="page-note" role="alert"><p>{errorLine(t, stage.error)}</p><Button onClick={enter}>{t("app.retry")}</Button></main>;
      case "desk":
        return <DeskContext value={stage.desk}><DeskPage onSignOut={signOut} /></DeskContext>;
    }
  }
}

/** The token is in the fragment, which no server and no proxy sees. null: the address is no sign-in link. */
function readLinkToken(): string | null {
  if (!location.pathname.startsWith("/sign-in")) return null;
  const fragment = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  return new URLSearchParams(fragment).get("token") ?? decodeURIComponent(fragment);
}
