import { useMemo, type ReactNode } from "react";
import type { OutgoingQuestion } from "../../client";
import type { QuestionScope } from "../../protocol";
import type { Conversation, Message } from "../../state";
import { Answer } from "./Answer";
import { PendingQuestion } from "./PendingQuestion";
import { Question } from "./Question";
import { Suggestions } from "./Suggestions";

interface Props {
  readonly conversation: Conversation;
  readonly pending: readonly OutgoingQuestion[];
  readonly online: boolean;
  readonly readerId: string;
  readonly onAsk: (content: string, scope?: QuestionScope | null) => void;
  readonly onDismiss: (suggestionId: string) => void;
  readonly onRetry: (id: string) => void;
  readonly onTakeBack: (question: OutgoingQuestion) => void;
}

/** The messages in order, and after them our questions that are on their way. */
export function MessageList({ conversation, pending, online, readerId, onAsk, onDismiss, onRetry, onTakeBack }: Props): ReactNode {
  const { messages, runs } = conversation;
  // The server's event carries our command id: from then on its message stands for the one on its way.
  const arrived = useMemo(() => new Set(messages.map(message => message.client_id)), [messages]);
  const last = messages.at(-1);
  return (
    <>
      {messages.map((message, i) => {
        if (message.role === "user") return <Question key={message.id} message={message} by={strangerOf(message, readerId)} />;
        const question = messages[i - 1];
        const again = message === last && runs.length === 0 && question?.role === "user" && message.state !== "complete";
        return <AnswerOf key={message.id} message={message} question={again ? question.content : null} onAsk={onAsk} />;
      })}
      {runs.length === 0 && pending.length === 0 && last?.suggestions !== undefined && <Suggestions suggestions={last.suggestions} onAsk={onAsk} onDismiss={onDismiss} />}
      {pending.filter(question => !arrived.has(question.id)).map(question => (
        <PendingQuestion key={question.id} question={question} online={online} onRetry={() => onRetry(question.id)} onTakeBack={() => onTakeBack(question)} />
      ))}
    </>
  );
}

function AnswerOf({ message, question, onAsk }: { readonly message: Message; readonly question: string | null; readonly onAsk: (content: string) => void }): ReactNode {
  const askAgain = useMemo(() => (question === null ? null : () => onAsk(question)), [question, onAsk]);
  return <Answer message={message} onAskAgain={askAgain} />;
}

function strangerOf(message: Message, readerId: string): string | null {
  const { id, name } = message.author ?? {};
  return id === undefined || id === null || id === readerId ? null : (name ?? null);
}
