import { useEffect, useId, useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { Icon, type IconName } from "./Icon";

export interface MenuItem {
  readonly key: string;
  readonly label: string;
  readonly icon?: IconName;
  readonly hint?: string;
  /** Set for a choice among several: its present state. */
  readonly checked?: boolean;
  readonly bad?: boolean;
  readonly testId?: string;
  readonly onChoose: () => void;
}

interface Props {
  readonly label: string;
  readonly items: readonly (MenuItem | "rule")[];
  /** What stands on the button that opens it. */
  readonly children: ReactNode;
  readonly className?: string;
  readonly testId?: string;
  readonly side?: "below" | "above";
}

const GAP = 4;
const EDGE = 8;

/** A button with a menu in the top layer (nothing clips it); arrows, Home, End and first letters move, Escape returns. */
export function Menu({ label, items, children, className = "icon-button", testId, side = "below" }: Props): ReactNode {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();

  useLayoutEffect(() => {
    const [menu, anchor] = [list.current, button.current];
    if (!open || !menu || !anchor) return;
    menu.showPopover();
    const [from, size] = [anchor.getBoundingClientRect(), menu.getBoundingClientRect()];
    const above = from.top - size.height - GAP;
    const below = from.bottom + GAP;
    const fitsBelow = below + size.height <= window.innerHeight - EDGE;
    const top = side === "above" ? (above >= EDGE ? above : below) : fitsBelow || above < EDGE ? below : above;
    menu.style.top = `${Math.max(EDGE, top)}px`;
    menu.style.left = `${Math.max(EDGE, Math.min(from.left, window.innerWidth - size.width - EDGE))}px`;
    (menu.querySelector<HTMLElement>('[aria-checked="true"]') ?? menu.querySelector<HTMLElement>("[role^=menuitem]"))?.focus();
  }, [open, side]);

  useEffect(() => {
    const menu = list.current;
    if (!open || !menu) return undefined;
    const toggled = (event: Event): void => {
      if ("newState" in event && event.newState === "closed") setOpen(false);
    };
    menu.addEventListener("toggle", toggled);
    return () => menu.removeEventListener("toggle", toggled);
  }, [open]);

  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  const move = (event: KeyboardEvent): void => {
    if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      event.stopPropagation();
      close();
      return;
    }
    const entries = [...(list.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
    const at = entries.findIndex(entry => entry === document.activeElement);
    const target = next(event.key, entries, at);
    if (!target) return;
    event.preventDefault();
    target.focus();
  };

  return (
    <>
      <button ref={button} type="button" className={className} data-testid={testId} aria-label={label} title={label} aria-haspopup="menu"
        aria-expanded={open} aria-controls={open ? id : undefined} onClick={() => setOpen(!open)}>
        {children}
      </button>
      {open && (
        <div ref={list} id={id} className="menu" role="menu" aria-label={label} popover="auto" onKeyDown={move}>
          {items.map((item, i) => item === "rule" ? <hr key={`rule-${i}`} /> : (
            <button key={item.key} type="button" tabIndex={-1} className={item.bad === true ? "menu-item bad" : "menu-item"} data-testid={item.testId}
              role={item.checked === undefined ? "menuitem" : "menuitemradio"} aria-checked={item.checked}
              onClick={() => {
                close();
                item.onChoose();
              }}>
              {item.icon !== undefined && <Icon name={item.icon} />}
              <span className="menu-label">{item.label}{item.hint !== undefined && <small>{item.hint}</small>}</span>
              {item.checked === true && <Icon name="check" size={16} />}
            </button>
          ))}
        </div>
      )}
    </>
  );
}

function next(key: string, entries: readonly HTMLElement[], at: number): HTMLElement | undefined {
  switch (key) {
    case "ArrowDown":
      return entries[(at + 1) % entries.length];
    case "ArrowUp":
      return entries[(at - 1 + entries.length) % entries.length];
    case "Home":
      return entries[0];
    case "End":
      return entries[entries.length - 1];
    default:
      if (key.length !== 1) return undefined;
      return [...entries.slice(at + 1), ...entries.slice(0, at + 1)].find(entry => entry.textContent.trim().toLowerCase().startsWith(key.toLowerCase()));
  }
}
