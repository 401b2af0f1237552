// Tabs, on all pages: they are one stop for the Tab key, and the arrow keys, Home and End go through them.

const STEPS = { ArrowRight: (at) => at + 1, ArrowLeft: (at) => at - 1, Home: () => 0, End: () => -1 };

document.addEventListener("keydown", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (!tab || !(event.key in STEPS) || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const tabs = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")].filter((each) => each.checkVisibility());
  const there = tabs.at(STEPS[event.key](tabs.indexOf(tab)) % tabs.length);
  there.focus();
  there.click();
});

new MutationObserver((changes) => {
  for (const { target } of changes) {
    if (target.matches("[role=tab]")) target.tabIndex = target.getAttribute("aria-selected") === "true" ? 0 : -1;
  }
}).observe(document, { subtree: true, attributeFilter: ["aria-selected"] });
