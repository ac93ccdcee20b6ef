"""Is a whole document asked for? Rules for Chinese and English, no model: a word of summing up, and nothing else asked.

"Summarise the handbook" is; "Summarise what the handbook says about leave" is a question like any other. Pure. Used by
runs/nodes/whole_document.py. Tests: tests/unit/runs/test_summary_request.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from antiphon.retrieve.whole_document import NamedDocument
from antiphon.storage.lexical.tokens import simplify

_DOCUMENT: Final = r"(?:document|file|paper|report|article|text|pdf|page|pages|presentation|slides?|deck|spreadsheet|sheet|book|manual|handbook|attachment|contract|letter|e-?mail|policy|guide|one|doc)s?"
_ASKS_EN: Final = re.compile(
    rf"\bsummar(?:i[sz]e|i[sz]ed|i[sz]ing|i[sz]ation|y|ies)\b|\bsum(?:s|med)?\s+(?:\w+\s+)?up\b|\btl;?\s?dr\b|\boverview\b|\boutline\b|\brecap\b|\bgist\b|\bsynopsis\b"
    rf"|\b(?:main|key|most important|central)\s+(?:points?|ideas?|messages?|takeaways?|findings|statements|arguments|topics)\b|\btakeaways?\b"
    rf"|\bwhat(?:'s|\s+is|\s+are)\s+(?:in\s+)?(?:this|that|the|it|these)?\s*(?:{_DOCUMENT}\s+)?(?:all\s+)?about\s*\??$"
    rf"|\bwhat\s+does\s+(?:this|that|the|it)\s*(?:{_DOCUMENT}\s+)?(?:say|cover|contain|deal with|talk about)\s*\??$"
    rf"|\bwhat(?:'s|\s+is)\s+(?:in|inside)\s+(?:this|that|the)\s+{_DOCUMENT}\s*\??$|\bbrief\s+me\b|\bcondense\b|\bin a nutshell\b"
)
_ASKS_ZH: Final = re.compile(
    r"总结|概括|概述|摘要|归纳|提炼|要点|重点内容|主要内容|主要讲|主要说|主要观点|核心内容|核心观点|大意|梗概|综述|小结|简述|概览|提纲|大纲"
    r"|(?:讲|说|写|介绍|包含|包括)的?(?:了|是)?(?:些|一些|的是)?(?:什么|啥|哪些)|(?:内容|主题|主旨|中心思想)是(?:什么|啥)|关于什么"
)
# What may stand beside it without asking for anything else.
_FREE: Final = frozenset(
    """a an the this that these those it its of in on for to me us my our your please can could would will you i we want need
    like give get show tell make write provide create generate produce do does is are what whats which about with from and
    or by as at into up short brief quick concise detailed full whole entire complete long summary summarize summarise
    summaries summarized summarised summarizing summarising summarization summarisation sum overview outline recap gist synopsis main key most
    important central point points idea ideas message messages takeaway takeaways finding findings statement statements
    argument arguments topic topics conclusion conclusions content contents section sections each every all chapter chapters
    say says cover covers contain contains deal talk brief condense nutshell tldr tl dr just only now then thanks thank hi hello
    one two three four five six seven eight nine ten few several some bullet bullets sentence sentences paragraph paragraphs word words line
    lines list english chinese language simple terms attached uploaded selected chosen here document documents file files
    paper report article text pdf page pages presentation slide slides deck spreadsheet sheet book manual handbook attachment
    attachments contract letter email mail e policy guide doc docs md docx txt pptx xlsx html csv s let know help there so very entirety inside""".split()  # noqa: SIM905
)
_FREE_ZH: Final = re.compile(
    r"请|麻烦|帮(?:我|忙)?|给(?:我|出)?|为我|能否|能不能|可以|可否|你|您|我|一下|一份|这[份篇个本些]?|那[份篇个本]?|该|本|此|整[个篇份]?|全[文部]?|文档|文件|文章|报告|资料|附件|材料|论文|手册|合同|演示|幻灯片|表格|邮件|书|"
    r"页|文|内容|主要|核心|重点|大致|简单|简要|简短|详细|快速|用|中文|英文|汉语|英语|话|句|字|条|点|段|以内|左右|不超过|几|一|二|两|三|四|五|六|七|八|九|十|百|的|了|吗|呢|吧|把|将|对|进行|做|写|列出|列|生成|提供|说明|介绍|介紹|"
    r"是|在|里|中|上|和|与|及|出|来|讲|说|想|要|需要|知道|看看|什么|啥|哪些|些|都|有|各|每|章节?|节|部分|关于|所选|选中|上传|刚才|刚刚|谢谢|观点|主题|主旨|中心思想|结论|包含|包括|章|成|为|个|份|篇|本|下|主|讲述|描述|概|起来|读"
)
_WORD: Final = re.compile(r"[a-z][a-z'’]*")
_CJK: Final = re.compile(r"[\u3400-\u9fff]")
_NUMBERS_AND_SIGNS: Final = re.compile(r"[\d\W_]+")
_LEAST_NAME_LATIN: Final = 3
_LEAST_NAME_CJK: Final = 2


def asks_for_summary(question: str) -> bool:
    """Whether it holds a word of summing up at all."""
    text = _folded(question)
    return bool(_ASKS_EN.search(text) or _ASKS_ZH.search(text))


def asks_only_for_summary(question: str, *, name: str = "") -> bool:
    """Whether, beside the summing up and the document's `name`, nothing is asked."""
    text = _folded(question)
    if not (_ASKS_EN.search(text) or _ASKS_ZH.search(text)):
        return False
    if name:
        text = text.replace(_folded(name), " ")
    if any(word.removesuffix("'s").removesuffix("’s") not in _FREE for word in _WORD.findall(text)):
        return False
    rest = _FREE_ZH.sub("", _ASKS_ZH.sub("", "".join(_CJK.findall(text))))
    return not _NUMBERS_AND_SIGNS.sub("", rest)


def named_document(question: str, documents: Sequence[NamedDocument]) -> tuple[str, str] | None:
    """(document, the name it goes by in the question): of the documents whose title, file name or file name without its
    ending stands in the question as a whole word, the one with the longest such name; of equal ones the newest."""
    text = _folded(question)
    best: tuple[int, float, str, str] | None = None
    for document in documents:
        for name in _forms(document.names):
            if _stands_in(name, text):
                candidate = (len(name), document.updated_at, document.document_id, name)
                best = candidate if best is None or candidate[:2] > best[:2] else best
    return None if best is None else (best[2], best[3])


def _forms(names: Sequence[str]) -> list[str]:
    forms: dict[str, None] = {}
    for name in names:
        folded = _folded(name).strip()
        stem = re.sub(r"\.[a-z0-9]{1,5}$", "", folded)
        for form in (folded, stem, stem.replace("_", " ").replace("-", " ")):
            least = _LEAST_NAME_CJK if _CJK.search(form) else _LEAST_NAME_LATIN
            if len(form) >= least:
                forms[form.strip()] = None
    return list(forms)


def _stands_in(name: str, text: str) -> bool:
    """As whole words, where it is of Latin letters."""
    at = text.find(name)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(name) : at + len(name) + 1]
        if not (name[0].isascii() and before.isascii() and before.isalnum()) and not (
            name[-1].isascii() and after.isascii() and after.isalnum()
        ):
            return True
        at = text.find(name, at + 1)
    return False


def _folded(text: str) -> str:
    return " ".join(simplify(unicodedata.normalize("NFKC", text)).casefold().split())
