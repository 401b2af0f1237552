// The viewer's choice of light or dark, before anything is drawn. Without one, the system's counts.
const chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
