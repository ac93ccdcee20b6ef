// R7 of docs/protocol.md section 6: how long to wait before the next connection.
import { CLOSE_CODES } from "../protocol";

const FIRST_MS = 250;
const STEP_MS = 500;
const MOST_MS = 20_000;
const OVERLOAD_MS = 5_000;
/** Somebody who looks at a growing answer is let back within a second of the network, as long as the cut is young. */
const WATCHED_MOST_MS = 1_000;
const WATCHED_FOR_MS = 20_000;

export interface Attempt {
  /** How many have failed since the last welcome. */
  readonly failed: number;
  readonly closeCode: number | null;
  /** Since the connection was lost. */
  readonly lostForMs: number;
  /** The page is visible and shows a run that is going on. */
  readonly watched: boolean;
}

export function delayBeforeMs(attempt: Attempt, random: number): number {
  if (isOverload(attempt.closeCode)) return OVERLOAD_MS + random * OVERLOAD_MS;
  if (attempt.failed === 0) return random * FIRST_MS;
  const most = Math.min(MOST_MS, STEP_MS * 2 ** (attempt.failed - 1));
  const capped = attempt.watched && attempt.lostForMs < WATCHED_FOR_MS ? Math.min(most, WATCHED_MOST_MS) : most;
  return random * capped;
}

export function isOverload(code: number | null): boolean {
  return code === CLOSE_CODES.RATE_LIMITED || code === CLOSE_CODES.OVERLOAD;
}

/** 40xx is final (4029: only after a pause); so are 1000, 1007 and 1009. null: lost without a close frame. */
export function isFinal(code: number | null): boolean {
  if (code === null || code === CLOSE_CODES.RATE_LIMITED) return false;
  return (code >= 4000 && code < 4100) || code === CLOSE_CODES.NORMAL || code === 1007 || code === CLOSE_CODES.FRAME_TOO_BIG;
}
