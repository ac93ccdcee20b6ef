import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { showTheme } from "./app/preferences";
import { showLanguage } from "./app/text/i18n";
import { App } from "./routes/App";
import "./ui/tokens.css";
import "./ui/controls.css";
import "./routes/layout.css";

showTheme();
showLanguage();
const root = document.getElementById("root");
if (root) createRoot(root).render(<StrictMode><App /></StrictMode>);
