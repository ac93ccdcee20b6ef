import { useState, type SubmitEvent, type ReactNode } from "react";
import { errorLine, useSpeech } from "../../app/text/i18n";
import { asClientError, type SignInApi } from "../../client";
import { Button } from "../../ui/Button";
import { TextField } from "../../ui/TextField";
import "./sign_in.css";

interface Props {
  readonly api: SignInApi;
  /** Of the one-time link; null: sign in by name and password. "": a link without its token. */
  readonly token: string | null;
  /** The sign-in ended while the page was open. */
  readonly again: boolean;
  readonly onSignedIn: () => void;
}

export function SignInPage({ api, token, again, onSignedIn }: Props): ReactNode {
  const { t } = useSpeech();
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const attempt = (signing: Promise<unknown>): void => {
    setBusy(true);
    setProblem("");
    signing.then(onSignedIn, (failure: unknown) => {
      setBusy(false);
      const error = asClientError(failure);
      // The server says which of the two it was, and no more than that.
      setProblem(error.code === "unauthorized" ? error.message : errorLine(t, error));
    });
  };
  const submit = (event: SubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [name, password] = [form.get("name"), form.get("password")];
    if (typeof name === "string" && typeof password === "string") attempt(api.login(name, password));
  };
  return (
    <main className="sign-in">
      <p className="sign-in-name"><span className="name-mark">Antiphon</span></p>
      {token === null ? (
        <form onSubmit={submit}>
          <h1>{t("signIn.title")}</h1>
          {again && <p role="status">{t("signIn.again")}</p>}
          <TextField label={t("signIn.name")} name="name" autoComplete="username" required autoFocus />
          <TextField label={t("signIn.password")} name="password" type="password" autoComplete="current-password" required />
          <p className="bad" role="alert">{problem}</p>
          <Button kind="action" type="submit" disabled={busy}>{t("signIn.submit")}</Button>
          <p className="muted small">{t("signIn.hint")}</p>
        </form>
      ) : (
        <form onSubmit={event => {
          event.preventDefault();
          attempt(api.signIn(token));
        }}>
          <h1>{t("signIn.linkTitle")}</h1>
          <p>{token ? t("signIn.linkText") : t("signIn.linkMissing")}</p>
          <p className="bad" role="alert">{problem}</p>
          <Button kind="action" type="submit" data-testid="sign-in-owner" disabled={busy || !token} autoFocus>{t("signIn.linkSubmit")}</Button>
        </form>
      )}
    </main>
  );
}
