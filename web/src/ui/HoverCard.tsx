import { useLayoutEffect, useRef, type ReactNode } from "react";

interface Props {
  readonly anchor: HTMLElement;
  readonly id: string;
  readonly children: ReactNode;
}

const GAP = 6;
const EDGE = 8;

/** A card in the top layer beside what it explains; the owner decides when it is there. */
export function HoverCard({ anchor, id, children }: Props): ReactNode {
  const card = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = card.current;
    if (!element) return;
    element.showPopover();
    const [from, size] = [anchor.getBoundingClientRect(), element.getBoundingClientRect()];
    const below = from.bottom + GAP;
    element.style.top = `${below + size.height <= window.innerHeight - EDGE ? below : Math.max(EDGE, from.top - size.height - GAP)}px`;
    element.style.left = `${Math.max(EDGE, Math.min(from.left - 24, window.innerWidth - size.width - EDGE))}px`;
  }, [anchor]);
  return <div ref={card} id={id} className="hover-card" role="tooltip" popover="manual">{children}</div>;
}
