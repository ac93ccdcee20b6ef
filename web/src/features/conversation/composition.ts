// Input methods take Enter for themselves. Browsers say so in two orders: keydown with isComposing before compositionend, or
// compositionend first and then a keydown of key code 229. Tests: tests/unit/features/composition.test.ts.

const AFTER_END_MS = 200;

export interface KeyLike {
  readonly key: string;
  readonly keyCode: number;
  readonly isComposing: boolean;
}

/** Whether a key belongs to the input method. */
export class CompositionGuard {
  #composing = false;
  #endedAt = -Infinity;

  began(): void {
    this.#composing = true;
  }

  ended(atMs: number): void {
    this.#composing = false;
    this.#endedAt = atMs;
  }

  owns(key: KeyLike, atMs: number): boolean {
    if (this.#composing || key.isComposing) return true;
    // Safari's Enter after compositionend carries 229; Chrome on some systems gives a plain Enter in the same breath.
    const justEnded = atMs - this.#endedAt < AFTER_END_MS;
    return key.keyCode === 229 || (justEnded && (key.key === "Process" || key.keyCode === 229));
  }
}
