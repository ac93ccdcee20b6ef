import type { ReactNode } from "react";
import { useDesk, useStore } from "../../app/context";
import { go } from "../../app/router";
import { useSpeech } from "../../app/text/i18n";
import { Icon } from "../../ui/Icon";
import { Menu } from "../../ui/Menu";

/** The workspace one is in; a menu when there are several. */
export function WorkspaceChoice(): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const workspaces = useStore(desk.workspaces);
  const current = useStore(desk.workspaceId);
  const name = workspaces.find(known => known.id === current)?.name ?? "";
  if (workspaces.length < 2) return <p className="workspace-name">{name}</p>;
  const items = workspaces.map(workspace => ({
    key: workspace.id, label: workspace.name, checked: workspace.id === current,
    onChoose: () => {
      desk.chooseWorkspace(workspace.id);
      go({ name: "conversation", sessionId: null, mark: null });
    },
  }));
  return (
    <Menu label={`${t("workspace.choose")}: ${name}`} items={items} className="workspace-name" testId="workspace-choice">
      <span>{name}</span><Icon name="down" size={14} />
    </Menu>
  );
}
