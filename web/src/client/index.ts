// The SDK: everything a program in a browser needs to talk to Antiphon. No React, no screen.
export { Api, type SignInApi } from "./api";
export { delayBeforeMs, isFinal, isOverload } from "./backoff";
export { Connection, type ConnectionState, type Outcome, type Position, type TopicFollower } from "./connection";
export { browserEnvironment, type Environment } from "./environment";
export { asClientError, ClientError, isErrorCode, type FailureCode } from "./errors";
export { newCommandId } from "./ids";
export { Outbox, type Accepted, type OutgoingQuestion, type TextStore } from "./outbox";
export { Rest, type Query } from "./rest";
export { WebSocketTransport, type Channel, type ChannelListener, type Transport } from "./transport";
