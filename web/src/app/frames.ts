import type { Scheduler } from "../state";

/** Before the next frame is drawn; a hidden page gets no frames, its text must go on all the same. */
export const nextFrame: Scheduler = draw => {
  if (document.hidden) {
    setTimeout(draw, 30);
    return;
  }
  let done = false;
  const once = (): void => {
    if (done) return;
    done = true;
    draw();
  };
  requestAnimationFrame(once);
  setTimeout(once, 120); // hidden in between
};
