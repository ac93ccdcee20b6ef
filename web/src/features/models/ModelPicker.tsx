import type { ReactNode } from "react";
import { useDesk, useStore } from "../../app/context";
import { prefer, preferences } from "../../app/preferences";
import { useSpeech } from "../../app/text/i18n";
import { Icon } from "../../ui/Icon";
import { Menu, type MenuItem } from "../../ui/Menu";

const EXTRACTIVE = "extractive";

/** Which model answers the next question: the workspace's own, or one of those the server has. */
export function ModelPicker(): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const { items: models, default: byServer } = useStore(desk.models);
  const workspaces = useStore(desk.workspaces);
  const workspaceId = useStore(desk.workspaceId);
  const { model } = useStore(preferences);
  if (!models.length) return null;
  const chosen = models.find(known => known.id === model);
  const byWorkspace = workspaces.find(known => known.id === workspaceId)?.model ?? byServer;
  const label = (id: string, own: string): string => (id === EXTRACTIVE ? t("model.extractive") : own);
  const nameOf = (id: string): string => label(id, models.find(known => known.id === id)?.label ?? id);
  const items: readonly MenuItem[] = [
    { key: "", label: t("model.default"), hint: nameOf(byWorkspace), checked: chosen === undefined, onChoose: () => prefer({ model: null }) },
    ...models.map(known => ({
      key: known.id,
      label: label(known.id, known.label || known.id),
      ...(known.id === EXTRACTIVE ? { hint: t("model.extractiveHint") } : {}),
      checked: known.id === chosen?.id,
      onChoose: () => prefer({ model: known.id }),
    })),
  ];
  return (
    <Menu label={`${t("model.choose")}: ${nameOf(chosen?.id ?? byWorkspace)}`} items={items} className="button button-quiet model-picker" testId="model-picker" side="above">
      <span>{nameOf(chosen?.id ?? byWorkspace)}</span>
      <Icon name="down" size={14} />
    </Menu>
  );
}

/** The model of the next question; null: as the workspace says. */
export function useChosenModel(): string | null {
  const desk = useDesk();
  const { items } = useStore(desk.models);
  const { model } = useStore(preferences);
  return items.some(known => known.id === model) ? model : null;
}
