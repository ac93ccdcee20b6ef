// The layers (docs/subsystems/web.md): protocol -> client -> state -> app -> features -> routes; ui is dumb and knows none of them.
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

const LAYERS = ["protocol", "client", "state", "app", "features", "routes"];

/** What a layer may not import: everything above it. */
function above(layer) {
  return LAYERS.slice(LAYERS.indexOf(layer) + 1).map(name => `**/${name}/**`);
}

function boundary(files, group, message, extra = []) {
  return { files, rules: { "no-restricted-imports": ["error", { patterns: [...(group.length ? [{ group, message }] : []), ...extra] }] } };
}

const NO_REACT = [{ group: ["react", "react-dom", "react-dom/*", "**/ui/**"], message: "This layer has no React in it." }];
const FEATURES = ["conversation", "documents", "evidence", "models", "sessions", "settings", "shell", "sign_in"];

export default tseslint.config(
  { ignores: ["node_modules/**", "public/**", "src/protocol/generated.ts", "test-results/**"] },
  ...tseslint.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] }, tsconfigRootDir: import.meta.dirname } } },
  reactHooks.configs.flat.recommended,
  {
    rules: {
      "@typescript-eslint/consistent-type-assertions": ["error", { assertionStyle: "never" }],
      // A `default` is allowed where the protocol wants unknown things ignored; without one, every case must be there.
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
      "@typescript-eslint/consistent-type-imports": "error",
      "max-lines": ["error", { max: 300 }],
      "no-console": "error",
      eqeqeq: "error",
    },
  },
  boundary(["src/protocol/**"], above("protocol"), "protocol/ is the lowest layer.", NO_REACT),
  boundary(["src/client/**"], above("client"), "client/ knows protocol/ only.", NO_REACT),
  boundary(["src/state/**"], above("state"), "state/ knows client/ and protocol/ only.", NO_REACT),
  boundary(["src/app/**"], above("app"), "app/ is below the features."),
  boundary(["src/ui/**"], LAYERS.filter(name => name !== "protocol").map(name => `**/${name}/**`), "ui/ is dumb: it gets all it shows as properties."),
  ...FEATURES.map(feature => boundary(
    [`src/features/${feature}/**`],
    ["**/routes/**", ...FEATURES.filter(name => name !== feature).map(name => `**/${name}/*`)],
    "Features do not know each other; routes/ puts them together.",
  )),
  { files: ["*.js", "*.config.ts"], ...tseslint.configs.disableTypeChecked },
  { files: ["tests/**"], rules: { "no-console": "off", "max-lines": "off", "@typescript-eslint/no-non-null-assertion": "off" } },
);
