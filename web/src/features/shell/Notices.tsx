import type { ReactNode } from "react";
import { useStore } from "../../app/context";
import { notices } from "../../app/notices";
import { Button } from "../../ui/Button";

/** What floats at the lower edge for a moment. Never over the text one reads: it stands beside the composer. */
export function Notices(): ReactNode {
  const all = useStore(notices);
  return (
    <div className="notices" role="status" data-testid="notices">
      {all.map(notice => (
        <p key={notice.id}>
          <span>{notice.text}</span>
          {notice.action && <Button kind="quiet" onClick={notice.action.run}>{notice.action.label}</Button>}
        </p>
      ))}
    </div>
  );
}
