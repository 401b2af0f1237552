// What the API says against something, told in the place of it.

import { ApiError } from "./relay.js";

/**
 * Do `work` for a component, and put what the API says against it into its `fault`, to be shown in place; `busy` is its flag
 * for while it lasts. Gives what `work` gives, or undefined.
 */
export async function inPlace(component, busy, work) {
  component[busy] = true;
  component.fault = "";
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    component.fault = error.message;
    return undefined;
  } finally {
    component[busy] = false;
  }
}

/** What a component has that shows what `loaded` gives: its template tells of `loadFault` by the macro `failed`, and of nothing else then. */
export const LOADING = { loading: true, loadFault: "", loads: 0 };

/** Ask for what a component shows. Gives what `ask` gives; undefined where it fails, and where something else was asked for meanwhile. */
export async function loaded(component, ask) {
  component.loads += 1;
  const { loads } = component;
  const isLatest = () => loads === component.loads;
  component.loading = true;
  component.loadFault = "";
  try {
    const found = await ask();
    return isLatest() ? found : undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (isLatest()) component.loadFault = error.message;
    return undefined;
  } finally {
    if (isLatest()) component.loading = false;
  }
}
