"""What the built-in nodes tell people while they work, in Chinese and English. Tests: tests/unit/runs/test_nodes_retrieve.py."""

from __future__ import annotations


def searching(language: str, *, workspaces: int, documents: int | None) -> str:
    """`documents` None: no selection was made."""
    if language == "zh":
        return f"正在检索所选的 {documents} 份文档" if documents is not None else f"正在检索 {workspaces} 个工作区的文档"
    if documents is not None:
        return f"Searching {_count(documents, 'chosen document')}"
    return f"Searching the documents of {_count(workspaces, 'workspace')}"


def found(language: str, *, passages: int, documents: int, searched: int) -> str:
    if language == "zh":
        if not passages:
            return f"检索了 {searched} 个段落，没有找到相关内容"
        return f"检索了 {searched} 个段落，在 {documents} 份文档中找到 {passages} 个相关段落"
    if not passages:
        return f"Searched {_count(searched, 'passage')} and found nothing on this"
    return f"Found {_count(passages, 'passage')} in {_count(documents, 'document')} (of {searched:,} searched)"


def writing(language: str, *, model: str) -> str:
    return f"正在用 {model} 撰写回答" if language == "zh" else f"Writing the answer with {model}"


def low_evidence(language: str, *, general_knowledge: bool) -> str:
    if language == "zh":
        return "文档中几乎没有与问题相关的内容" + ("，回答可能依据一般知识" if general_knowledge else "，请核对回答的来源")
    ending = "the answer may rest on general knowledge" if general_knowledge else "check where the answer comes from"
    return f"The documents say little about this; {ending}"


def reading(language: str, *, title: str, sections: int, of: int) -> str:
    if language == "zh":
        return f"正在通读《{title}》，共 {of} 个部分" + ("" if sections == of else f"，取其中 {sections} 个")
    return f"Reading all of “{title}” ({_count(of, 'section')}{'' if sections == of else f', the {sections} longest are used'})"


def decomposing(language: str) -> str:
    return "正在拆分问题" if language == "zh" else "Splitting the question"


def decomposed(language: str, *, queries: list[str]) -> str:
    return ("分别检索：" + "；".join(queries)) if language == "zh" else "Searching for: " + "; ".join(queries)


def not_decomposed(language: str) -> str:
    if language == "zh":
        return "模型没能拆分问题，按原问题检索"
    return "The model could not split the question; it is searched as it is"


def summarising(language: str, *, done: int, sections: int) -> str:
    return f"正在逐部分总结：{done}/{sections}" if language == "zh" else f"Summarising section by section: {done} of {sections}"


def sections_left_out(language: str, *, shown: int, total: int) -> str:
    if language == "zh":
        return f"（全文共 {total} 个部分，这里列出其中最长的 {shown} 个。）"
    return f"(The document has {total} sections; these are the {shown} longest.)"


def pages(language: str, first: int, last: int) -> str:
    if language == "zh":
        return f"第 {first} 页" if first == last else f"第 {first}–{last} 页"
    return f"Page {first}" if first == last else f"Pages {first}–{last}"


def fitted(language: str, *, messages: int, passages: int) -> str:
    """What was left out for the model's context window."""
    if language == "zh":
        parts = [f"{messages} 条较早的消息"] * bool(messages) + [f"{passages} 个相关度较低的段落"] * bool(passages)
        return f"超出模型的上下文长度，未使用：{'、'.join(parts)}"
    parts = [_count(messages, "earlier message")] * bool(messages) + [_count(passages, "less relevant passage")] * bool(passages)
    return f"Too long for the model's context; left out: {' and '.join(parts)}"


def going_over(language: str, *, failed: str, to: str) -> str:
    """A model failed before its first token and another one is asked."""
    return f"{failed} 没有回答，改用 {to}" if language == "zh" else f"{failed} did not answer; going over to {to}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
