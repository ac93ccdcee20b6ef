import { useEffect, useRef, useState, type ReactNode } from "react";
import { useSpeech, type Translate } from "../../app/text/i18n";
import type { Message } from "../../state";

const EVERY_MS = 1_500;
const SENTENCE_END = /[.!?。！？]["'”’」』)]?(?:\s|$)|\n\n/g;

/** Reads a growing answer aloud by sentences, politely, and says how it ended. */
export function Announcer({ message }: { readonly message: Message | undefined }): ReactNode {
  const { t } = useSpeech();
  const [said, setSaid] = useState("");
  const place = useRef({ id: "", at: 0, spokenAt: 0 });
  useEffect(() => {
    if (!message) return;
    const now = performance.now();
    if (place.current.id !== message.id) {
      // What is there when one comes is not read out; what comes then is.
      place.current = { id: message.id, at: message.content.length, spokenAt: now };
      return;
    }
    if (message.state !== "streaming") {
      if (place.current.at < 0) return;
      const rest = message.content.slice(place.current.at);
      place.current.at = -1;
      setSaid(`${rest} ${endingOf(message.state, t)}`.trim());
      return;
    }
    if (place.current.at < 0) place.current.at = message.content.length;
    if (now - place.current.spokenAt < EVERY_MS) return;
    const fresh = message.content.slice(place.current.at);
    const end = [...fresh.matchAll(SENTENCE_END)].at(-1);
    if (!end) return;
    const length = end.index + end[0].length;
    place.current = { id: message.id, at: place.current.at + length, spokenAt: now };
    setSaid(fresh.slice(0, length));
  }, [message, t]);
  return <div className="unseen" aria-live="polite" aria-atomic="true">{said}</div>;
}

function endingOf(state: Message["state"], t: Translate): string {
  switch (state) {
    case "streaming":
      return "";
    case "complete":
      return t("message.announceDone");
    case "stopped":
    case "interrupted":
      return t("message.announceStopped");
    case "failed":
      return t("message.announceFailed");
  }
}
