// It moves the scroll place of elements it was given: that is its purpose.
/* eslint-disable react-hooks/immutability, react-hooks/preserve-manual-memoization */
import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";

/** At most this far from the end counts as the end. */
const END_PX = 4;
const KEEP_MS = 200;

interface Follow {
  /** The end is out of sight and the reader has left it. */
  readonly away: boolean;
  readonly toEnd: () => void;
}

/**
 * Keeps the end of a growing text in view until the reader moves up by any means (wheel, touch, keys, selecting), at once and without
 * a threshold; being at the end again resumes it. The place is kept for each conversation over a reload.
 */
export function useFollow(scroller: RefObject<HTMLElement | null>, content: RefObject<HTMLElement | null>, placeKey: string | null, ready: boolean): Follow {
  const following = useRef(true);
  const restored = useRef<string | null>(null);
  const [away, setAway] = useState(false);

  const toEnd = useCallback(() => {
    following.current = true;
    setAway(false);
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  }, [scroller]);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element || !ready || restored.current === placeKey) return;
    restored.current = placeKey;
    const kept = placeKey === null ? null : readPlace(placeKey);
    following.current = kept === null;
    element.scrollTop = kept ?? element.scrollHeight;
  }, [scroller, placeKey, ready]);

  useEffect(() => {
    const [element, inside] = [scroller.current, content.current];
    if (!element || !inside) return undefined;
    const gap = (): number => element.scrollHeight - element.scrollTop - element.clientHeight;
    const leave = (): void => {
      if (gap() <= END_PX && element.scrollHeight <= element.clientHeight) return; // nothing to leave
      following.current = false;
    };
    const wheel = (event: WheelEvent): void => {
      if (event.deltaY < 0) leave();
    };
    const key = (event: KeyboardEvent): void => {
      if (["PageUp", "Home", "ArrowUp"].includes(event.key) && !(event.target instanceof HTMLTextAreaElement)) leave();
    };
    const select = (): void => {
      const selection = document.getSelection();
      if (selection && !selection.isCollapsed && selection.anchorNode && inside.contains(selection.anchorNode)) leave();
    };
    let lastTop = element.scrollTop;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const scrolled = (): void => {
      const up = element.scrollTop < lastTop - 1;
      lastTop = element.scrollTop;
      if (gap() <= END_PX) following.current = true;
      else if (up) following.current = false; // the scroll bar, a find in the page
      setAway(!following.current && gap() > END_PX);
      clearTimeout(timer);
      timer = setTimeout(() => keepPlace(placeKey, following.current ? null : element.scrollTop), KEEP_MS);
    };
    const grown = new ResizeObserver(() => {
      if (following.current) element.scrollTop = element.scrollHeight;
      else setAway(gap() > END_PX);
      lastTop = element.scrollTop;
    });
    grown.observe(inside);
    grown.observe(element);
    element.addEventListener("wheel", wheel, { passive: true });
    element.addEventListener("touchmove", leave, { passive: true });
    element.addEventListener("scroll", scrolled, { passive: true });
    document.addEventListener("keydown", key);
    document.addEventListener("selectionchange", select);
    return () => {
      clearTimeout(timer);
      grown.disconnect();
      element.removeEventListener("wheel", wheel);
      element.removeEventListener("touchmove", leave);
      element.removeEventListener("scroll", scrolled);
      document.removeEventListener("keydown", key);
      document.removeEventListener("selectionchange", select);
    };
  }, [scroller, content, placeKey]);

  return { away, toEnd };
}

function readPlace(key: string): number | null {
  try {
    const kept = sessionStorage.getItem(`antiphon.place.${key}`);
    return kept === null ? null : Number(kept);
  } catch {
    return null;
  }
}

function keepPlace(key: string | null, top: number | null): void {
  if (key === null) return;
  try {
    if (top === null) sessionStorage.removeItem(`antiphon.place.${key}`);
    else sessionStorage.setItem(`antiphon.place.${key}`, String(Math.round(top)));
  } catch {
    // the place is not kept
  }
}
