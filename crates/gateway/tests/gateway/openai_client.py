"""The unmodified `openai` package against a gateway: URL, API key and question as arguments."""
import sys
from openai import OpenAI, APIStatusError
url, key, q = sys.argv[1], sys.argv[2], sys.argv[3]
c = OpenAI(base_url=url + "/v1", api_key=key)
print("models:", [m.id for m in c.models.list()])
r = c.chat.completions.create(model="fonte-quote", messages=[{"role":"user","content":q}], max_tokens=200)
m = r.choices[0].message
print("answer:", m.content)
for a in m.annotations: print("  cites:", a.url_citation.title, a.url_citation.url, repr(m.content[a.url_citation.start_index:a.url_citation.end_index][:60]))
print("fonte:", r.model_extra["fonte"]["receipt"], r.model_extra["fonte"]["fee_wei"], r.usage)
text, ann, fonte, usage = "", None, None, None
for ch in c.chat.completions.create(model="fonte-quote", messages=[{"role":"user","content":[{"type":"text","text":q}]}], max_tokens=200, stream=True, stream_options={"include_usage": True}, temperature=0.1):
    if ch.usage: usage = ch.usage
    if ch.choices:
        d = ch.choices[0].delta
        text += d.content or ""
        ann = (d.model_extra or {}).get("annotations") or ann
    fonte = (ch.model_extra or {}).get("fonte") or fonte
assert text == m.content, (text, m.content)
print("stream:", len(text), "chars,", len(ann), "annotations,", fonte["receipt"], usage.total_tokens)
for kw, want in [(dict(model="nope"), 404), (dict(model="fonte-quote", n=2), 400)]:
    try:
        c.chat.completions.create(messages=[{"role":"user","content":"x"}], **kw)
    except APIStatusError as e:
        print("error:", e.status_code, e.code, e.type, e.message[:80]); assert e.status_code == want
    else:
        raise AssertionError(f"{kw} was answered")
try:
    OpenAI(base_url=url + "/v1", api_key="sk-wrong", max_retries=0).chat.completions.create(model="fonte-quote", messages=[{"role":"user","content":"x"}])
except APIStatusError as e:
    print("error:", type(e).__name__, e.status_code, e.code); assert e.status_code == 401
else:
    raise AssertionError("a wrong key was served")
