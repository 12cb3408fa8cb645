// Before anything is drawn, so that nothing flashes: the theme that was chosen, if one was.
(() => {
  try {
    const chosen = localStorage.getItem("pawl-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage may be shut: then the system's theme holds.
  }
})();
