import type { Message } from "../../state";

/** The words of a model that keeps to its instructions; the server marks its own refusals. */
const WORDS = /^\s*(?:Nothing in (?:these|the|your) documents|No(?:ne of the)? (?:provided )?documents? (?:say|mention)|(?:这些|所给|提供的)?文[档件](?:里|中)?(?:没有|未))/i;

/** The answer says that the documents do not say: a block of its own style, never an ordinary paragraph. */
export function isRefusal(message: Message): boolean {
  if (message.refusal !== undefined) return true;
  return message.role === "assistant" && message.state === "complete" && message.citations.length === 0 && WORDS.test(message.content);
}
