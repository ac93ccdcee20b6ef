import { useEffect, useRef, type ReactNode } from "react";
import { IconButton } from "./IconButton";

interface Props {
  readonly title: string;
  readonly closeLabel: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly testId?: string;
}

/** A modal sheet on the platform's own `<dialog>`: focus stays within, Escape closes, the page behind is inert. */
export function Dialog({ title, closeLabel, onClose, children, testId }: Props): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    if (element && !element.open) element.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} className="dialog" aria-label={title} data-testid={testId} onClose={onClose}
      onClick={event => {
        if (event.target === event.currentTarget) onClose();
      }}>
      <div className="dialog-sheet">
        <header>
          <h2>{title}</h2>
          <IconButton icon="close" label={closeLabel} onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}
