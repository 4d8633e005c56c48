// Runs before anything is painted, so that the page does not flash: the person's choice of colours, if there is one.
// What the browser prefers needs no script (vendor/theme.css).
const chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
