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
