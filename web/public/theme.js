// Before the first paint, so that a chosen theme or language does not flash: the keys are those of src/app/preferences.ts.
try {
  var chosen = JSON.parse(localStorage.getItem("antiphon.preferences") || "{}");
  if (chosen.theme === "light" || chosen.theme === "dark") document.documentElement.dataset.theme = chosen.theme;
  if (chosen.language === "zh" || chosen.language === "en") document.documentElement.lang = chosen.language;
} catch (problem) {
  // without storage the system's theme holds
}
