import type { ReactNode } from "react";
import { useDesk, useStore } from "../../app/context";
import { prefer, preferences, type LanguageChoice, type Theme } from "../../app/preferences";
import { addressOf, go, type Route } from "../../app/router";
import { useSpeech } from "../../app/text/i18n";
import { Icon, type IconName } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { Menu, type MenuItem } from "../../ui/Menu";

interface Props {
  readonly route: Route;
  readonly onSignOut: () => void;
  readonly onToggleList: () => void;
}

const CHATS: Route = { name: "conversation", sessionId: null, mark: null };
const DOCUMENTS: Route = { name: "documents" };

/** The narrow bar at the left (at the top on phones): where one is, and who one is. */
export function Rail({ route, onSignOut, onToggleList }: Props): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const { theme, language } = useStore(preferences);
  const themes: readonly (readonly [Theme, string, IconName])[] = [["system", t("nav.themeSystem"), "screen"], ["light", t("nav.themeLight"), "sun"], ["dark", t("nav.themeDark"), "moon"]];
  const languages: readonly (readonly [LanguageChoice, string])[] = [["system", t("nav.languageSystem")], ["en", "English"], ["zh", "中文"]];
  const items: readonly (MenuItem | "rule")[] = [
    ...themes.map(([value, label, icon]): MenuItem => ({ key: `theme-${value}`, label, icon, checked: theme === value, testId: `theme-${value}`, onChoose: () => prefer({ theme: value }) })),
    "rule",
    ...languages.map(([value, label]): MenuItem => ({ key: `language-${value}`, label, checked: language === value, testId: `language-${value}`, onChoose: () => prefer({ language: value }) })),
    "rule",
    { key: "api", label: t("nav.api"), icon: "external", onChoose: () => window.location.assign("/docs/api") },
    { key: "out", label: t("nav.signOut"), testId: "sign-out", onChoose: onSignOut },
  ];
  return (
    <nav className="rail" aria-label={t("nav.label")}>
      <a className="rail-name" href="/" aria-label="Antiphon" onClick={event => {
        event.preventDefault();
        go(CHATS);
      }}><span className="name-mark" aria-hidden="true">A</span></a>
      <IconButton icon="sidebar" label={t("nav.toggleList")} data-testid="toggle-list" onClick={onToggleList} />
      <RailLink to={CHATS} label={t("nav.chats")} icon="chat" current={route.name === "conversation"} />
      <RailLink to={DOCUMENTS} label={t("nav.documents")} icon="document" current={route.name === "documents" || route.name === "document"} />
      <span className="push" />
      <Menu label={t("nav.account", { name: desk.me.name })} items={items} className="rail-account" testId="account-menu">
        <span aria-hidden="true">{Array.from(desk.me.name)[0]?.toUpperCase()}</span>
      </Menu>
    </nav>
  );
}

function RailLink({ to, label, icon, current }: { readonly to: Route; readonly label: string; readonly icon: IconName; readonly current: boolean }): ReactNode {
  return (
    <a className="icon-button rail-link" href={addressOf(to)} aria-label={label} title={label} aria-current={current ? "page" : undefined} onClick={event => {
      event.preventDefault();
      go(to);
    }}><Icon name={icon} /></a>
  );
}
