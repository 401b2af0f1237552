// The bar at the top of a page.

let underWay = 0;
let showing;

/** A bar at the top is shown while anything takes more than a second. Gives the function that ends it. */
export function busy() {
  underWay += 1;
  showing ??= setTimeout(() => { Alpine.store("busy").shown = underWay > 0; }, 1000);
  return () => {
    underWay -= 1;
    if (underWay > 0) return;
    clearTimeout(showing);
    showing = undefined;
    Alpine.store("busy").shown = false;
  };
}

/** The same for what comes piece by piece: the bar is shown while nothing has come for more than a second. */
export function busyBetween() {
  let done = busy();
  return { came() { done(); done = busy(); }, end() { done(); } };
}
