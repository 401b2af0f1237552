// Dialogs, each known by the id that its template gives it.

/** Open it before the page, at its first field or button: a browser alone would begin with what scrolls. */
export function showDialog(id) {
  const dialog = document.getElementById(id);
  if (dialog.open) return;
  dialog.showModal();
  Alpine.nextTick(() => { // when it shows what it is opened for
    const first = (controls) => [...dialog.querySelectorAll(controls)].find((each) => each.checkVisibility() && !each.disabled);
    (first("input, select, textarea") ?? first("button"))?.focus();
  });
}

export function closeDialog(id) {
  document.getElementById(id).close();
}

/** Ask for a yes before something that cannot be taken back. Gives true or false. */
export function confirm(title, text, yes = "Delete") {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("#confirm-title").textContent = title;
  dialog.querySelector("#confirm-text").textContent = text;
  const [cancel, agree] = ["no", "yes"].map((value) => dialog.querySelector(`button[value=${value}]`));
  agree.textContent = yes;
  return new Promise((resolve) => {
    const close = (said) => { dialog.close(); resolve(said); };
    cancel.onclick = () => close(false);
    agree.onclick = () => close(true);
    dialog.oncancel = () => resolve(false);
    showDialog("confirm"); // at "Cancel", which stands first
  });
}
