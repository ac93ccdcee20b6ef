export { countPoints, unitIndices } from "./code_points";
export { adopt, conversationReducer, fillText, prependMessages, type Conversation, type LedgerStep, type Message } from "./conversation";
export { documentsReducer, type DocumentState, type WorkspaceDocuments } from "./documents";
export { FollowedTopic, type Ended, type Scheduler } from "./followed_topic";
export { changeSession, groupSessions, listRead, putSession, removeSession, sessionsReducer, type GroupedSessions, type SessionGroup, type SessionList } from "./sessions";
export { Store, type Readable } from "./store";
export { applyEvent, emptyTopic, positionOf, skipEvent, type Reducer, type Topic } from "./topic";
