/**
 * Moves the focus to the next pane: elements with `data-pane`, in the order of the document.
 *
 * A pane that names one of its elements by `data-pane-start` is entered there.
 */
export function nextPane(step: 1 | -1) {
  const panes = [...document.querySelectorAll<HTMLElement>('[data-pane]')].filter((pane) => pane.checkVisibility());
  if (panes.length === 0) return;
  const present = panes.findLastIndex((pane) => pane.contains(document.activeElement));
  const next = panes[(present + step + panes.length) % panes.length];
  const start = next?.querySelector<HTMLElement>('[data-pane-start]') ?? next;
  if (!start) return;
  if (start.tabIndex < 0 && !start.hasAttribute('tabindex')) start.tabIndex = -1;
  start.focus();
}
