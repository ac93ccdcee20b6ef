import { useRef, useState, type PointerEvent, type ReactNode } from "react";
import { prefer, preferences } from "../app/preferences";
import { useStore } from "../app/context";

interface Props {
  readonly main: ReactNode;
  /** null: the main part has all the room. */
  readonly side: ReactNode;
  readonly resizeLabel: string;
}

const LEAST = 0.25;
const MOST = 0.7;
const STEP = 0.05;

/** Two parts with a splitter that remembers; on a phone the second is a sheet from below. */
export function SideBySide({ main, side, resizeLabel }: Props): ReactNode {
  const { viewerShare } = useStore(preferences);
  const [dragged, setDragged] = useState<number | null>(null);
  const whole = useRef<HTMLDivElement>(null);
  const share = dragged ?? viewerShare;
  const drag = (event: PointerEvent): void => {
    const box = whole.current?.getBoundingClientRect();
    if (box && event.buttons === 1) setDragged(clamp((box.right - event.clientX) / box.width));
  };
  return (
    <div className="side-by-side" ref={whole}>
      <div className="side-main">{main}</div>
      {side !== null && (
        <>
          <div className="splitter" role="separator" aria-orientation="vertical" aria-label={resizeLabel} tabIndex={0}
            aria-valuenow={Math.round(share * 100)} aria-valuemin={LEAST * 100} aria-valuemax={MOST * 100}
            onPointerDown={event => event.currentTarget.setPointerCapture(event.pointerId)} onPointerMove={drag}
            onPointerUp={() => {
              if (dragged !== null) prefer({ viewerShare: dragged });
              setDragged(null);
            }}
            onKeyDown={event => {
              const by = event.key === "ArrowLeft" ? STEP : event.key === "ArrowRight" ? -STEP : 0;
              if (by !== 0) prefer({ viewerShare: clamp(viewerShare + by) });
            }} />
          <div className="side-panel" style={{ flexBasis: `${share * 100}%` }}>{side}</div>
        </>
      )}
    </div>
  );
}

function clamp(share: number): number {
  return Math.min(MOST, Math.max(LEAST, share));
}
