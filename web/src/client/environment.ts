/** Time, chance and waiting of the client; tests own them. */
export interface Environment {
  now(): number;
  /** 0 <= x < 1 */
  random(): number;
  /** Calls `done` after `delayMs`; the answer cancels it. */
  after(delayMs: number, done: () => void): () => void;
}

export const browserEnvironment: Environment = {
  now: () => Date.now(),
  random: () => Math.random(),
  after(delayMs, done) {
    const timer = setTimeout(done, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
};
