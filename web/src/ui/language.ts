/** `zh` when at least a fifth of its letters are Han characters, as the server tells it (runs/language.py); for `lang`. */
export function languageOf(text: string): "zh" | "en" {
  let letters = 0;
  let han = 0;
  for (const char of text.slice(0, 4000)) {
    if (!/\p{L}/u.test(char)) continue;
    letters++;
    if (/\p{Script=Han}/u.test(char)) han++;
  }
  return han > 0 && han * 5 >= letters ? "zh" : "en";
}
