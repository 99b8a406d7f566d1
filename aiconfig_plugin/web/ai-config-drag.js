// Drag an entry to another place, with a mouse, a pen or a finger.

/**
 * @param {PointerEvent} start
 * @param {HTMLElement} dragged
 * @param {object} given
 * @param {() => HTMLElement[]} given.others in their order
 * @param {(to: number) => void} given.put
 * @param {(isCancelled: boolean) => void} given.end
 */
export function dragEntry(start, dragged, { others, put, end }) {
  if (start.button !== 0) return;
  start.preventDefault();
  dragged.toggleAttribute("data-dragged", true);
  const listening = new AbortController();
  const finish = (/** @type {boolean} */ isCancelled) => {
    listening.abort();
    dragged.toggleAttribute("data-dragged", false);
    end(isCancelled);
  };
  const follow = ({ clientY = 0 }) => {
    const middle = (/** @type {DOMRect} */ { top, bottom }) => (top + bottom) / 2;
    put(others().filter((other) => middle(other.getBoundingClientRect()) < clientY).length);
    dragged.scrollIntoView({ block: "nearest" });
  };
  // Not on the handle: it loses the pointer when its entry is put elsewhere.
  const on = (/** @type {string} */ name, /** @type {(event: any) => void} */ run) =>
    window.addEventListener(name, run, { signal: listening.signal });
  on("pointermove", follow);
  on("pointerup", () => finish(false));
  on("pointercancel", () => finish(true));
  on("keydown", ({ key }) => key === "Escape" && finish(true));
}
