// Input methods take Enter for themselves. Browsers say so in two orders: keydown with isComposing before compositionend, or
// compositionend first and then a keydown of key code 229. Tests: tests/unit/features/composition.test.ts.

const AFTER_END_MS = 200;
/** The key code of a key that an input method has taken; nothing else says so in Safari. */
const TAKEN = 229;

export interface KeyLike {
  readonly key: string;
  readonly keyCode: number;
  readonly isComposing: boolean;
  readonly timeStamp: number;
}

/** Whether a key belongs to the input method. */
export class CompositionGuard {
  #composing = false;
  #endedAt = -Infinity;

  began(): void {
    this.#composing = true;
  }

  ended(event: { readonly timeStamp: number }): void {
    this.#composing = false;
    this.#endedAt = event.timeStamp;
  }

  owns(event: KeyLike): boolean {
    if (this.#composing || event.isComposing || event.key === "Process") return true;
    return event.keyCode === TAKEN && event.timeStamp - this.#endedAt < AFTER_END_MS;
  }
}
