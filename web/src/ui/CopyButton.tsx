import { useEffect, useState, type ReactNode } from "react";
import { Icon, type IconName } from "./Icon";

interface Props {
  readonly text: string | (() => string);
  readonly label: string;
  readonly done: string;
  readonly icon?: IconName;
}

const SHOWN_MS = 1600;

/** Copies a text, and says that it did. */
export function CopyButton({ text, label, done, icon = "copy" }: Props): ReactNode {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = (): void => {
    const content = typeof text === "string" ? text : text();
    copyText(content).then(() => setCopied(true), () => undefined);
  };
  return (
    <button type="button" className="icon-button" onClick={copy} aria-label={copied ? done : label} title={label}>
      <Icon name={copied ? "check" : icon} />
    </button>
  );
}

/** `navigator.clipboard` exists in secure contexts only; a server in the local network is reached by plain http. */
async function copyText(content: string): Promise<void> {
  if ("clipboard" in navigator && window.isSecureContext) {
    await navigator.clipboard.writeText(content);
    return;
  }
  const box = document.createElement("textarea");
  box.value = content;
  box.className = "unseen";
  document.body.append(box);
  box.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way without a secure context
  document.execCommand("copy");
  box.remove();
}
