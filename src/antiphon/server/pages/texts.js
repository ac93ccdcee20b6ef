// What the pages say, in English and Chinese; the language is the browser's.
const TEXTS = {
  en: {
    skip: "To the question", workspace: "Workspace", new: "New conversation", signOut: "Sign out",
    signInTitle: "Sign in", userName: "Name", password: "Password", signIn: "Sign in",
    linkHint: "The owner finds a one-time sign-in link in the server's terminal.",
    linkTitle: "Sign in as owner", linkText: "This link works once, for the person who started the server.",
    signInOwner: "Sign in as owner", linkMissing: "The link has no token. Copy the whole address from the terminal.",
    welcomeTitle: "Ask your documents", welcomeText: "Answers stand in your documents: every yellow number leads to its passage.",
    ask: "Your question", askHere: "Ask a question", send: "Send", stop: "Stop",
    documents: "Documents", dropHere: "Drop files here, or", chooseFiles: "Choose files", sessions: "Conversations",
    elsewhere: "Elsewhere", apiPage: "HTTP interface", earlier: "Earlier messages", untitled: "Untitled",
    noDocuments: "There is no document here yet. Add one at the side.", documentsReady: n => n === 1 ? "One document can be asked." : `${n} documents can be asked.`,
    connecting: "connecting", live: "live", reconnecting: "reconnecting, the answer goes on on the server", ended: "signed out",
    overloaded: "the server is busy, trying again", uploading: n => `Uploading ${n}`, page: n => `page ${n}`,
    queued: "waiting", parsing: "being read", indexing: "being indexed", embedding: "being embedded", ready: "ready",
    failed: "failed", deleting: "being deleted", pagesOf: (a, b) => `${a} of ${b} pages`,
    thinking: "Working on it", sources: (n, s) => `${n} ${n === 1 ? "passage" : "passages"} from ${s} ${s === 1 ? "document" : "documents"}`,
    stopped: by => by ? `Stopped by ${by}.` : "Stopped.", interrupted: "Interrupted: the server stopped. What had arrived was kept.",
    answerFailed: "The answer failed.", done: "The answer is complete.", sourceLabel: (n, title, page) => `Source ${n}, ${title}${page ? `, page ${page}` : ""}`,
    noSource: "This mark has no source.", original: "original", notSent: "Not sent: ", offline: "The server cannot be reached.",
  },
  zh: {
    skip: "跳到提问框", workspace: "工作区", new: "新对话", signOut: "退出",
    signInTitle: "登录", userName: "名称", password: "密码", signIn: "登录",
    linkHint: "所有者可在服务器终端里找到一次性登录链接。",
    linkTitle: "以所有者身份登录", linkText: "此链接只能使用一次，供启动服务器的人使用。",
    signInOwner: "以所有者身份登录", linkMissing: "链接中没有令牌。请从终端复制完整地址。",
    welcomeTitle: "向文档提问", welcomeText: "答案出自您的文档：每个黄色编号都指向原文。",
    ask: "您的问题", askHere: "输入问题", send: "发送", stop: "停止",
    documents: "文档", dropHere: "把文件拖到这里，或", chooseFiles: "选择文件", sessions: "对话",
    elsewhere: "其他方式", apiPage: "HTTP 接口", earlier: "更早的消息", untitled: "未命名",
    noDocuments: "这里还没有文档，请在一旁添加。", documentsReady: n => `${n} 份文档可以提问。`,
    connecting: "正在连接", live: "已连接", reconnecting: "正在重连，回答仍在服务器上继续", ended: "已退出",
    overloaded: "服务器繁忙，正在重试", uploading: n => `正在上传 ${n}`, page: n => `第 ${n} 页`,
    queued: "等待中", parsing: "正在读取", indexing: "正在建索引", embedding: "正在向量化", ready: "就绪",
    failed: "失败", deleting: "正在删除", pagesOf: (a, b) => `${b} 页中的 ${a} 页`,
    thinking: "正在处理", sources: (n, s) => `${s} 份文档中的 ${n} 段`,
    stopped: by => by ? `已由 ${by} 停止。` : "已停止。", interrupted: "已中断：服务器停止了。已收到的内容已保留。",
    answerFailed: "回答失败。", done: "回答完毕。", sourceLabel: (n, title, page) => `来源 ${n}，${title}${page ? `，第 ${page} 页` : ""}`,
    noSource: "此标记没有来源。", original: "原件", notSent: "未发送：", offline: "无法连接服务器。",
  },
};
const language = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";

export function text(key, ...values) {
  const found = TEXTS[language][key] ?? key;
  return typeof found === "function" ? found(...values) : found;
}

export function fillTexts() {
  document.documentElement.lang = language === "zh" ? navigator.language : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
}

export function languageOf(content) {
  return /[\u3400-\u9fff\uf900-\ufaff]/.test(content) ? "zh" : "en";
}
