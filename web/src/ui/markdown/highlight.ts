// Loaded when the first whole code block is there. A few languages; others stay plain.
import { createLowlight } from "lowlight";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

export type Highlighted = ReturnType<ReturnType<typeof createLowlight>["highlight"]>;

const LONGEST = 30_000; // beyond it colouring would take longer than a frame
const lowlight = createLowlight({ bash, c, cpp, css, diff, go, ini, java, javascript, json, markdown, python, rust, sql, typescript, xml, yaml });
lowlight.registerAlias({ bash: ["sh", "shell", "zsh", "console"], javascript: ["js", "jsx"], python: ["py"], typescript: ["ts", "tsx"], xml: ["html", "svg"], yaml: ["yml"], ini: ["toml"] });

export function highlight(code: string, language: string): Highlighted | null {
  const name = language.toLowerCase();
  return code.length <= LONGEST && lowlight.registered(name) ? lowlight.highlight(name, code) : null;
}
