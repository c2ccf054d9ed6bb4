#!/usr/bin/env python3
"""Render small templates, one feature of the language each, with the real transformers, and write template_vectors.json.

usage: make_template_vectors.py [OUT]     needs transformers and jinja2; made with transformers 5.23 and jinja2 3.1.6

Each case is [template, text], or [template, null] where transformers raises an error. All share one context, stored beside them.
"""
import datetime
import json
import sys
from pathlib import Path

from transformers.utils import chat_template_utils

NOW = 1700000000  # 2023-11-14 22:13:20 UTC


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, datetime.timezone.utc).replace(tzinfo=None)


chat_template_utils.datetime = FixedClock

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "  Grüße, 日本! \n"},
    {"role": "assistant", "content": "Ja.", "tool_calls": [{"name": "f", "arguments": {"x": 1, "y": [1.5, None, True]}}]},
    {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two"}]},
]
TOOLS = [{"type": "function", "function": {"name": "f", "description": "<b>\"é\" & 'x'</b>",
                                           "parameters": {"type": "object", "properties": {"q": {"type": "string", "default": 10.0}}}}}]
EXTRA = {
    "n": 7, "neg": -7, "zero": 0, "big": 9007199254740993, "pi": 3.14159, "ten": 10.0, "tiny": 1e-07, "huge": 1e16, "yes": True, "no": False,
    "nil": None, "s": "Hello World", "empty": "", "ws": "\u2003 a b\t\n", "words": "the quick  brown fox", "lines": "a\nb\r\nc\n\nd",
    "quote": "it's", "both": "it's \"x\"", "esc": "tab\there\\ \u0007 \u00e9 \u200b \U0001f600", "list": [3, 1, 2], "mixed": [1, "a", None, 2.5, [True], {"k": "v"}],
    "names": ["b", "A", "c", "a", "B"], "people": [{"name": "Zoe", "age": 30, "tags": ["x"]}, {"name": "adam", "age": 25}, {"name": "Bob", "age": 30}],
    "d": {"z": 1, "a": "two", "M": [1], "items": "shadow"}, "nested": {"a": {"b": [10, {"c": "deep"}]}}, "tree": [{"n": 1, "c": [{"n": 2, "c": [{"n": 3, "c": []}]}, {"n": 4, "c": []}]}],
    "upper": "ÀÉß", "greek": "ΑΣ", "digits": "0123456789",
}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

WHITESPACE = [
    "a\n  {% if yes %}\n  b\n  {% endif %}\nc\n", "{% if yes %}x{% endif %}\n\ny", "  {{ n }}  \n  {{- n -}}  \n z", "a {%- if yes -%} b {%- endif -%} c",
    "a\n  {%+ if yes %}b{% endif +%}\nc", "a\n\t {# comment #}\nb", "a {#- c -#} b", "a\n {#+ c +#}\nb", "x{# a #}{# b #}y", "{% raw %}{{ n }} {% if %}{% endraw %}",
    "a\n  {% raw %}\n  x\n  {% endraw %}\nb", "{%- raw -%}  x  {%- endraw -%}  y", "line\r\nnext\rlast\r\n", "{{ 'a' }}\n", "{{ 'a' }}\n\n", "{% set x = 1 %}\n\n{{ x }}",
    "x   {% set y = 1 %}   z", "  {% set y = 1 %}{% set z = 2 %}\n  a", "{{ '\\n' }}{% if yes %}\n{% endif %}|", "{ { n } } {n} %} }} #}", "{{'}}'}}{{ '{%' }}", "{{ {'a': {'b': 1}}['a']['b'] }}",
    "\n\n{% for i in list %}\n{{ i }}\n{% endfor %}\n\n", " {%- for i in list %} {{ i }} {% endfor -%} ", "é{% if yes %}\u3000{%- endif %}x", "\u3000{%- if yes %}x{% endif %}",
    "{% if yes %}\n\n  a{% endif %}", "{% if yes -%}\n\n  a{% endif %}", "{{ n }}\n{% if yes %}\n{{ n }}\n{% endif %}\n", "{#- a -#}\n b {#\n#}\n c", "{% if yes %}a{% else %}b{% endif %}   \n  c",
]
LITERALS = [
    "{{ 1 }} {{ -1 }} {{ 1.0 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1_000 }} {{ 0 }} {{ 2e16 }} {{ 123456789012345680.0 }} {{ 0.1 + 0.2 }}", "{{ true }} {{ True }} {{ false }} {{ none }} {{ None }}",
    "{{ 'a' 'b' \"c\" }}", "{{ 'it\\'s' }} {{ \"a\\\"b\" }} {{ 'x\\ty\\nz' }} {{ '\\u00e9\\x41\\101' }} {{ '\\q' }} {{ '\\\\n' }}", "{{ [1, 2, 3,] }} {{ [] }} {{ (1,) }} {{ () }} {{ (1, 2) }} {{ 1, 2 }}",
    "{{ {} }} {{ {'a': 1, 'b': [1, 'x'], 3: None, 1.5: true} }}", "{{ {'a': 1, 'a': 2} }} {{ {1: 'a', 1.0: 'b', true: 'c'} }}", "{{ mixed }} {{ d }} {{ messages[2] }}", "{{ quote }} {{ [quote] }} {{ [both] }} {{ [esc] }}",
    "{{ pi }} {{ ten }} {{ tiny }} {{ huge }} {{ big }} {{ [pi, ten, tiny, huge, big] }}", "{{ 5e-324 }} {{ 1.7976931348623157e308 }} {{ 1e22 }} {{ 1e21 }} {{ 123456.789e3 }} {{ 0.0001 }} {{ 0.00001 }}", "{{ bos_token }}{{ eos_token }}",
    "{{ '日本'[0] }} {{ 'a' * 3 }} {{ 3 * 'ab' }} {{ 'a' * -1 }}|{{ [1, 2] * 2 }} {{ (1,) * 2 }}",
]
OPERATORS = [
    "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 7 / 2 }} {{ 6 / 3 }}", "{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2.0 ** 3 }} {{ -2 ** 2 }} {{ 2 ** 3 ** 2 }}",
    "{{ 1 + 2 * 3 - 4 / 2 }} {{ (1 + 2) * 3 }} {{ -(-3) }} {{ +5 }} {{ - 3 + 5 }}", "{{ 1 ~ 'a' ~ 2.0 ~ none ~ true ~ [1] }}", "{{ 'a' + 'b' ~ 'c' }} {{ 1 ~ 2 + 3 }}", "{{ [1] + [2, 3] }} {{ (1,) + (2,) }}", "{{ 'a' + 1 }}", "{{ 1 + 'a' }}", "{{ [1] + (2,) }}", "{{ none + 1 }}",
    "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 >= 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ [1, 2] < [1, 3] }} {{ 'é' > 'z' }}", "{{ 1 < 'a' }}", "{{ none < 1 }}", "{{ 1 != 2 }} {{ none == none }} {{ 'a' == 1 }} {{ [1] == [1.0] }} {{ {'a': 1} == {'a': 1.0} }} {{ (1,) == [1] }}",
    "{{ 'b' in 'abc' }} {{ 1 in [1, 2] }} {{ 'z' in d }} {{ 'q' not in d }} {{ '' in 'abc' }} {{ 3 in (1, 2) }} {{ 'a' in undefined_thing }}", "{{ 1 in 'abc' }}", "{{ 'a' in none }}", "{{ 'a' in 5 }}",
    "{{ yes and no }} {{ yes or no }} {{ not yes }} {{ not not 1 }} {{ 0 or 'x' }} {{ 1 and 'y' }} {{ '' or [] or none }} {{ 0 and 1 / 0 }}", "{{ 'a' if yes else 'b' }} {{ 'a' if no else 'b' }} {{ 'a' if no }}| {{ 1 if no else 2 if no else 3 }}", "{{ not 1 in [1] }} {{ not 1 == 2 }}",
    "{{ 1 / 0 }}", "{{ 1 % 0 }}", "{{ 1.0 // 0 }}", "{{ 1 if 1 > 0 else 1 / 0 }}", "{{ -n }} {{ n - 1 }} {{ n-1 }} {{ -n|abs }} {{ (-n)|abs }} {{ -5|abs }}", "{{ 5 - - 3 }} {{ 2 * -3 }}", "{{ 10 % 3 ~ 'x' }} {{ 'x' ~ n // 2 }}",
    "{{ true + true }} {{ true * 3 }} {{ -true }}", "{{ 0.1 + 0.7 }} {{ 1.1 * 3 }} {{ 2 / 3 }} {{ 1e300 * 1e10 }} {{ -0.0 }} {{ 5 // 0.3 }} {{ 5 % 0.3 }}", "{{ n is odd and n is not even }}", "{{ 1 <= 1 }} {{ 2 >= 3 }} {{ 'a' <= 'a' }} {{ 1 == true == 1 }}",
]
ACCESS = [
    "{{ d.z }} {{ d['a'] }} {{ d.M[0] }} {{ nested.a.b[1].c }} {{ nested['a']['b'][0] }}", "{{ d.items }}"[:0] + "{{ d['items'] }} {{ d.missing }}| {{ d['missing'] }}|", "{{ list[0] }} {{ list[-1] }} {{ list[5] }}| {{ list.0 }} {{ s[0] }} {{ s[-1] }} {{ s[99] }}|",
    "{{ list[1:] }} {{ list[:1] }} {{ list[::-1] }} {{ list[-2:] }} {{ list[::2] }} {{ list[5:] }} {{ list[2:0] }} {{ list[2:0:-1] }} {{ (1, 2, 3)[1:] }}", "{{ s[1:4] }} {{ s[:-1] }} {{ s[::-1] }} {{ s[::2] }} {{ s[-3:] }} {{ '日本語'[1:] }} {{ s[3:1] }}| {{ s[:100] }}",
    "{{ messages[1:][0].role }} {{ messages[-1]['content'][0].text }}", "{{ missing }}|{{ missing is defined }}", "{{ missing.attr }}", "{{ missing['x'] }}", "{{ d.missing.deeper }}", "{{ none.x }}|", "{{ nil.x is defined }}", "{{ 5 .x is defined }}", "{{ n.real_thing is defined }}", "{{ nil['x'] }}|",
    "{{ d.get('z') }} {{ d.get('q') }} {{ d.get('q', 'dflt') }} {{ d.get(none, 3) }}", "{{ d.keys()|list }} {{ d.values()|list }} {{ d.items()|list }}", "{{ d.keys() }} {{ d.values() }} {{ d.items() }}", "{{ d.items()|length }} {{ d.items() is sequence }} {{ d.items() is iterable }}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }} {% endfor %}", "{{ d.copy() == d }}", "{{ d.pop('z') }}", "{{ d.update({'x': 1}) }}", "{{ list.append(4) }}", "{{ list.append is defined }} {{ d.pop is defined }} {{ d.clear }}|", "{{ d.get is defined }} {{ s.strip is callable }} {{ list.index(1) }} {{ list.count(3) }} {{ list.index(9) }}", "{{ list[1:]['x'] }}|",
    "{{ s.__class__ }}|", "{{ s.__class__.x }}", "{{ d.__len__ is defined }}", "{{ d['get']('z') }}", "{{ d['keys']()|list }}", "{{ {'items': 1}['items'] }} {{ nested['items'] is defined }}", "{{ list['0'] }}|", "{{ list[1.0] }}|", "{{ list[true] }}", "{{ d[['a']] }}|", "{{ s['upper']() }}", "{{ missing() }}", "{{ d.z() }}", "{{ 'x'() }}", "{{ list[nil] }}|{{ d[nil] }}|",
    "{{ list[missing:] }}|", "{{ list[::0] }}", "{{ n[0] }}|", "{{ s[none:3] }}", "{{ range(3)[1] }} {{ range(5)[1:3]|list }}",
]
STATEMENTS = [
    "{% if no %}a{% elif n == 7 %}b{% else %}c{% endif %}", "{% if no %}a{% elif no %}b{% else %}c{% endif %}", "{% if missing %}a{% endif %}|", "{% if list and d and s %}all{% endif %}", "{% if 0.0 or '' or [] or {} or none or () %}x{% else %}y{% endif %}",
    "{% for i in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}", "{% for i in list %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}",
    "{% for i in list %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 1) }}{% endfor %}", "{% for i in [] %}x{% else %}none{% endfor %}", "{% for i in list %}x{% else %}none{% endfor %}", "{% for i in missing %}x{% else %}none{% endfor %}", "{% for i in none %}x{% endfor %}", "{% for i in 5 %}x{% endfor %}",
    "{% for i in list if i > 1 %}{{ i }}:{{ loop.index }}/{{ loop.length }}{{ loop.last }} {% endfor %}", "{% for i in list if i > 9 %}x{% else %}no{% endfor %}", "{% for c in 'añb' %}{{ c }}-{% endfor %}", "{% for a, b in [[1, 2], (3, 4)] %}{{ a }}{{ b }} {% endfor %}", "{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [[1]] %}x{% endfor %}",
    "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "{% for i in range(3) %}{% for j in range(3) %}{% if j > i %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}", "{% break %}", "{% for t in tree recursive %}{{ t.n }}@{{ loop.depth }}[{{ loop(t.c) }}]{% endfor %}", "{% for t in list %}{{ loop(t) }}{% endfor %}",
    "{% for i in range(2) %}{% for j in range(2) %}{{ loop.index }}{{ loop.length }}{% endfor %}{{ loop.index }}{% endfor %}{{ loop is defined }}", "{{ range(3)|list }} {{ range(1, 4)|list }} {{ range(5, 0, -2)|list }} {{ range(3) }} {{ range(1, 3) }} {{ range(0, 9, 3) }} {{ range(3)|length }}", "{{ range(0)|list }} {{ range(5, 1)|list }}", "{{ range(100001) }}", "{{ range(1, 2, 0) }}",
    "{% set x = 1 %}{{ x }}{% set x = x + 1 %}{{ x }}", "{% set x, y = 1, 'b' %}{{ y }}{{ x }}", "{% set x = 1, 2 %}{{ x }}", "{% set x %}a{{ n }}b{% endset %}[{{ x }}]", "{% set x | upper | trim %} abc {% endset %}[{{ x }}]", "{% set x = 1 %}{% for i in list %}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "{% set x = 1 %}{% if yes %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% for i in list %}{{ x }}|{% set x = i %}{{ x }} {% endfor %}{{ x is defined }}", "{% set ns = namespace(a=1, b='x') %}{% for i in list %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}", "{% set ns = namespace({'q': 1}) %}{% set ns.z = 5 %}{{ ns.q + ns.z }}{{ ns['q'] }}", "{% set d.z = 1 %}", "{% set missing_ns.z = 1 %}", "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{% with a = 1, b = n %}{{ a + b }}{% endwith %}{{ a is defined }}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}", "{% set a = 5 %}{% with a = a + 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}banana{% endfilter %}", "{% print 1, 'a' %}",
    "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(1, c='z') }} {{ m(b=1, a=9) }} {{ m() }}", "{% macro m() %}a{% endmacro %}{{ m(1) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, b=2) }}", "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, k=4) }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}body{{ n }}{% endcall %}", "{% macro m(xs) %}{% for x in xs %}<{{ caller(x) }}>{% endfor %}{% endmacro %}{% call(v) m(list) %}{{ v * 2 }}{% endcall %}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{% macro f(k) %}{% if k > 0 %}{{ k }}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(4) }}",
    "{% macro m() %}{{ later }}{% endmacro %}{% set later = 'now' %}{{ m() }}", "{% set x = 'outer' %}{% macro m() %}{% set x = 'inner' %}{{ x }}{% endmacro %}{{ m() }}{{ x }}", "{% for i in list %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{{ m() }}{% macro m() %}{% endmacro %}", "{% macro m(x) %} {{ x }} {% endmacro %}{{ m('a')|trim }}{{ m('b')|length }}{{ m }}", "{% if yes %}{% macro m() %}in{% endmacro %}{% endif %}{{ m() }}",
    "{% generation %}text {{ n }}{% endgeneration %}", "{% for i in list %}{% generation %}{% set x = i %}{{ x }}{% endgeneration %}{% endfor %}", "{{ raise_exception('Stop: ' ~ n) }}", "{{ raise_exception() }}", "{% if no %}{{ raise_exception('x') }}{% endif %}ok", "{{ strftime_now('%Y-%m-%d %H:%M:%S %B %b %A %j %y %%') }}", "{{ dict(a=1, b=2) }} {{ dict({'x': 1}, y=2) }} {{ dict([['k', 'v']]) }}",
    "{% unknown %}", "{% if yes %}", "{% endif %}", "{% for %}{% endfor %}", "{{ }}", "{{ 1 + }}", "{% set 1 = 2 %}", "{% set true = 2 %}", "{{ (1 }}", "{{ [1) }}", "{{ 'abc }}", "{{ a b }}", "{# x", "{% raw %}", "{{ n | nofilter }}", "{{ n is notest }}", "{% if no %}{{ n | nofilter }}{% endif %}ok", "{% if no %}{{ n is notest }}{% endif %}ok", "{{ 'a' if no else n|nofilter }}", "{% macro m(a=1, b) %}{% endmacro %}", "{% for loop in list %}{% endfor %}",
    "{% if n is defined and n is not none %}ok{% endif %}", "{% for m in messages %}{% if m.content is string %}{{ m.role }}{% elif m.content is iterable %}{% for p in m.content %}{{ p.type }}{% endfor %}{% endif %}{% endfor %}", "{% set msgs = messages[1:] if messages[0].role == 'system' else messages %}{{ msgs|length }}", "{%if yes%}a{%endif%}{{n}}", "{% set x = {'a': 1} %}{{ x.a }}{% set x = dict(x, b=2) %}{{ x }}",
    "{% for m in messages|reverse %}{{ m.role[0] }}{% endfor %}", "{% for i in list %}{% if loop.first %}F{% endif %}{% if not loop.last %},{% endif %}{% endfor %}", "{% for i in list|sort %}{{ loop.previtem is defined }}{{ loop.nextitem is undefined }}{% endfor %}", "{% for i in list: %}{{ i }}{% endfor %}", "{% set f = s.upper %}{{ f() }}", "{% for x in list %}{% set ns = namespace(v=x) %}{{ ns.v }}{% endfor %}", "{{ namespace(a=1) is mapping }} {{ namespace() is iterable }}",
]
FILTERS = [
    "{{ ws|trim }}| {{ 'xxaxx'|trim('x') }} {{ 5|trim }} {{ none|trim }} {{ missing|trim }}|", "{{ s|upper }} {{ s|lower }} {{ s|title }} {{ 'hELLO wORLD'|capitalize }} {{ upper|lower }} {{ upper|upper }} {{ greek|lower }} {{ \"o'neil-foo (bar\"|title }}", "{{ 5|upper }}{{ none|lower }}", "{{ s|length }} {{ list|length }} {{ d|length }} {{ '日本'|length }} {{ missing|length }} {{ list|count }}", "{{ 5|length }}", "{{ none|length }}",
    "{{ missing|default('x') }} {{ nil|default('x') }} {{ ''|default('x') }}| {{ ''|default('x', true) }} {{ nil|d('y', boolean=true) }} {{ missing|default }}| {{ 0|default(5, true) }}", "{{ list|join(',') }} {{ list|join }} {{ people|join('/', attribute='name') }} {{ mixed|join('|') }} {{ 'abc'|join('-') }} {{ []|join('x') }}|", "{{ none|join(',') }}", "{{ s|replace('o', '0') }} {{ s|replace('o', '0', 1) }} {{ 1.5|replace('.', ',') }} {{ 'aaa'|replace('', '-') }} {{ s|replace('l', '') }} {{ n|replace(7, 8) }}",
    "{{ list|first }} {{ list|last }} {{ s|first }} {{ s|last }} {{ []|first }}| {{ []|last }}| {{ d|first }} {{ d|last }} {{ (1, 2)|last }} {{ missing|first }}|", "{{ 5|first }}", "{{ list|list }} {{ 'abc'|list }} {{ d|list }} {{ missing|list }} {{ range(2)|list }}", "{{ 5|list }}", "{{ d|items|list }} {{ missing|items|list }}", "{{ list|items|list }}", "{% for k, v in d|items %}{{ k }}:{{ v }} {% endfor %}", "{{ d|items }}"[:0] + "{{ (d|items) is iterable }}",
    "{{ {'b': 1, 'A': 3, 'c': 2}|dictsort }} {{ {'b': 1, 'A': 3}|dictsort(true) }} {{ {'b': 1, 'a': 3, 'c': 2}|dictsort(false, 'value') }} {{ {'b': 1, 'a': 3}|dictsort(reverse=true) }}", "{{ d|dictsort }}", "{{ d|dictsort(by='value') }}", "{{ list|dictsort }}", "{% for k, v in {'b': 1, 'a': 2}|dictsort %}{{ k }}{{ v }}{% endfor %}",
    "{{ people|selectattr('age', 'equalto', 30)|map(attribute='name')|list }} {{ people|selectattr('tags')|map(attribute='name')|list }} {{ people|rejectattr('tags')|list|length }} {{ people|selectattr('tags', 'defined')|list|length }} {{ people|rejectattr('age', '>', 26)|map(attribute='name')|join }}", "{{ people|map(attribute='tags', default=[])|list }} {{ people|map(attribute='tags')|list }} {{ names|map('upper')|list }} {{ names|map('replace', 'a', 'x')|join }} {{ people|map(attribute='tags.0')|first }}",
    "{{ list|select('odd')|list }} {{ list|reject('odd')|list }} {{ mixed|select|list }} {{ mixed|select('string')|list }} {{ list|select('>', 1)|list }} {{ list|select('in', [1, 3])|list }} {{ mixed|reject('none')|list|length }} {{ missing|select('odd')|list }}", "{% if list|select('>', 99) %}yes{% else %}no{% endif %}", "{{ list|select('odd')|length }}", "{{ list|select('odd')|tojson }}", "{{ list|map('nofilter')|list }}", "{{ list|select('notest')|list }}", "{% set g = list|select('odd') %}{{ g|list }}{{ g|list }}", "{% set g = list|map('string') %}{{ g|first }}{{ g|join(',') }}",
    "{{ lines|indent }}|{{ lines|indent(2) }}|{{ lines|indent(2, true) }}|{{ lines|indent(2, blank=true) }}|{{ lines|indent('>>') }}|{{ 'x'|indent(first=true) }}|{{ ''|indent }}|{{ lines|indent(width=1, first=true, blank=true) }}", "{{ 5|indent }}", "{{ '42'|int }} {{ '4.9'|int }} {{ 'x'|int }} {{ 'x'|int(9) }} {{ 3.99|int }} {{ -3.99|int }} {{ true|int }} {{ none|int }} {{ ' 12 '|int }} {{ '1_000'|int }} {{ 'ff'|int(base=16) }} {{ '0x1A'|int(0, 16) }} {{ '-5'|int }} {{ '+5'|int }} {{ []|int }} {{ '1e3'|int }} {{ ''|int }} {{ '--5'|int }} {{ 'inf'|int(3) }}", "{{ missing|int }}", "{{ missing|float }}",
    "{{ '4.5'|float }} {{ 3|float }} {{ 'x'|float }} {{ 'x'|float(1.5) }} {{ none|float }} {{ ' 1e3 '|float }} {{ 'inf'|float }} {{ 'nan'|float }} {{ '-Infinity'|float }} {{ '1_0.5'|float }} {{ '.5'|float }} {{ '5.'|float }} {{ '0x10'|float }}", "{{ 5|string + 'x' }} {{ none|string }} {{ [1]|string }} {{ 1.0|string }} {{ true|string|length }} {{ missing|string }}|", "{{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 42|round }} {{ 2.1|round(0, 'ceil') }} {{ 2.9|round(0, 'floor') }} {{ 3.14159|round(3) }} {{ -2.5|round }} {{ 2.5|round|int }} {{ 5|round(1, 'floor') }} {{ 1.25|round(1, 'ceil') }}", "{{ 'x'|round }}", "{{ 1|round(0, 'up') }}", "{{ -5|abs }} {{ -2.5|abs }} {{ neg|abs }} {{ true|abs }}", "{{ 'x'|abs }}",
    "{{ names|sort }} {{ names|sort(case_sensitive=true) }} {{ names|sort(true) }} {{ list|sort(reverse=true) }} {{ people|sort(attribute='age')|map(attribute='name')|list }} {{ people|sort(attribute='age,name')|map(attribute='name')|list }} {{ 'cab'|sort }} {{ people|sort(reverse=true, attribute='age')|map(attribute='name')|list }}", "{{ mixed|sort }}", "{{ names|unique|list }} {{ [1, 1.0, true, 2]|unique|list }} {{ names|unique(true)|list }} {{ people|unique(attribute='age')|map(attribute='name')|list }}", "{{ list|min }} {{ list|max }} {{ names|min }} {{ names|max }} {{ []|min }}| {{ people|max(attribute='age') }} {{ names|max(true) }}", "{{ list|sum }} {{ people|sum(attribute='age') }} {{ list|sum(start=10) }} {{ []|sum }} {{ [1, 2.5]|sum }}", "{{ names|sum }}",
    "{{ list|reverse|list }} {{ 'añb'|reverse }} {{ (1, 2)|reverse|list }}", "{{ 5|reverse }}", "{{ [1, 2, 3, 4, 5]|batch(2)|list }} {{ [1, 2, 3]|batch(2, 'x')|list }}", "{{ '<a & \"b\" \\'c\\'>'|escape }} {{ '<a>'|e }} {{ '<a>'|safe }} {{ ('<a>'|safe) + '<b>' }} {{ '<b>' + ('<a>'|safe) }} {{ ('<a>'|safe) ~ '<b>' }} {{ '<a>'|escape|escape }} {{ 5|e }} {{ ('<a>'|safe)|upper }} {{ ('<a>'|safe)|string + '<c>' }}",
    "{{ '%s-%d-%.2f-%5s|%-5s|%05d|%x|%%|%r' % ('a', 7, 3.14159, 'b', 'c', 42, 255, 'q') }} {{ '%s' % 5 }} {{ '%(a)s' % {'a': 1} }} {{ '%s and %s'|format('x', 2) }} {{ '%(k)s'|format(k='v') }} {{ '%+d % d' % (5, 5) }} {{ '%e' % 12345.678 }} {{ '%g' % 0.0001 }} {{ '%d' % 3.9 }} {{ '%s' % none }} {{ '%s' % [1, 2] }}", "{{ '%s %s' % 'a' }}", "{{ '%s' % ('a', 'b') }}", "{{ '%d' % 'a' }}", "{{ '%q' % 1 }}", "{{ 'a long sentence that is cut'|truncate(12) }} {{ 'a long sentence'|truncate(10, true) }} {{ 'short'|truncate(10) }} {{ 'a long sentence here now'|truncate(12, false, '~', 0) }}",
    "{{ s | upper | lower | length }}", "{{ (list|length) + 1 }} {{ list|length + 1 }} {{ not list|length > 5 }}", "{{ 1 + 2|string|length }}", "{{ s|default('x')|upper if s is defined else '' }}", "{{ s|upper() }} {{ s|replace(old='o', new='x') }}", "{{ s|trim(1) }}", "{{ s|upper(1, 2) }}", "{{ s|replace('a') }}", "{{ d|tojson|length }} {{ s|filter }}",
]
JSON = [
    "{{ tools|tojson }}", "{{ tools|tojson(indent=2) }}", "{{ tools[0]|tojson(indent=4) }}", "{{ messages|tojson }}", "{{ mixed|tojson }} {{ d|tojson }} {{ nested|tojson }}", "{{ esc|tojson }} {{ both|tojson }} {{ '</script>'|tojson }} {{ '\\u0000\\u001f\\u007f\\u2028'|tojson }}", "{{ esc|tojson(ensure_ascii=true) }}", "{{ d|tojson(sort_keys=true) }} {{ d|tojson(separators=(',', ':')) }} {{ d|tojson(indent=1, separators=(',', '=')) }}",
    "{{ pi|tojson }} {{ ten|tojson }} {{ tiny|tojson }} {{ huge|tojson }} {{ big|tojson }} {{ true|tojson }} {{ none|tojson }} {{ 'a'|tojson }} {{ (1, 2)|tojson }} {{ []|tojson }} {{ {}|tojson }}", "{{ {1: 'a', none: 'b', true: 'c', 1.5: 'd'}|tojson }}", "{{ {'a': [], 'b': {}, 'c': [[]]}|tojson(indent=2) }}", "{{ [1, [2, {'a': 3}]]|tojson(indent='--') }} {{ [1]|tojson(indent=0) }}", "{{ missing|tojson }}", "{{ {'a': missing}|tojson }}", "{{ range(3)|tojson }}", "{{ d.items()|tojson }}", "{{ ('1e400'|float)|tojson }} {{ ('nan'|float)|tojson }}", "{{ namespace()|tojson }}", "{{ d|tojson(4) }}", "{{ s|upper|tojson }}", "{{ {(1, 2): 3}|tojson }}",
]
TESTS = [
    "{{ n is defined }} {{ missing is defined }} {{ missing is undefined }} {{ nil is none }} {{ nil is defined }} {{ missing is none }}", "{{ s is string }} {{ n is string }} {{ d is mapping }} {{ list is mapping }} {{ list is sequence }} {{ s is sequence }} {{ d is sequence }} {{ n is sequence }} {{ s is iterable }} {{ n is iterable }} {{ d is iterable }} {{ nil is iterable }} {{ missing is iterable }} {{ missing is sequence }} {{ range(2) is sequence }}",
    "{{ n is number }} {{ pi is number }} {{ yes is number }} {{ s is number }} {{ n is integer }} {{ pi is integer }} {{ yes is integer }} {{ pi is float }} {{ n is float }} {{ yes is boolean }} {{ n is boolean }} {{ yes is true }} {{ 1 is true }} {{ no is false }} {{ 0 is false }}", "{{ n is odd }} {{ n is even }} {{ n is divisibleby(7) }} {{ n is divisibleby 3 }} {{ n is eq 7 }} {{ n is equalto(8) }} {{ n is ne 7 }} {{ n is gt 6 }} {{ n is lt(6) }} {{ n is ge 7 }} {{ n is le 7 }} {{ n is greaterthan 1 }} {{ n is lessthan 1 }} {{ n is sameas n }}", "{{ 'a' is in 'abc' }} {{ 5 is in [1, 5] }} {{ 'q' is not in d }} {{ n is not odd }}",
    "{{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'aB' is lower }} {{ '123' is lower }} {{ '' is upper }} {{ s.strip is callable }} {{ n is callable }} {{ 'upper' is filter }} {{ 'zzz' is filter }} {{ 'odd' is test }} {{ ('a'|safe) is escaped }} {{ 'a' is escaped }}", "{{ 's' is odd }}", "{{ none is odd }}", "{{ n is odd or n is even }} {{ n is defined if yes else no }}"[:0] + "{{ n is odd or n is even }} {{ 1 if n is defined else 2 }}", "{{ n is gt 3 and n is lt 9 }}", "{{ messages[3].content is string }} {{ messages[3]['content'] is not string }}", "{{ n is odd is even }}", "{{ d.missing is defined }} {{ d['z'] is defined }} {{ d.a is string and d.z is number }}", "{{ 1.5 is divisibleby 0.5 }}",
]
METHODS = [
    "{{ '42'.zfill(5) }} {{ '-42'.zfill(5) }} {{ '+7'.zfill(1) }} {{ 'aBc ß'.swapcase() }} {{ ['<a>'|safe] }} {{ 'x' % missing }} {{ list|truncate(99) }} {{ people|unique(attribute='zz')|list|length }}", "{{ (1, 2).copy() }}", "{{ d[missing] }}|{{ d.get(missing, 4) }}",
    "{{ ws.strip() }}|{{ ws.lstrip() }}|{{ ws.rstrip() }}|{{ 'xxaxyx'.strip('xy') }}|{{ '日x日'.strip('日') }}|{{ s.strip(none) }}", "{{ words.split() }} {{ words.split(' ') }} {{ words.split(' ', 1) }} {{ words.split(none, 1) }} {{ words.rsplit(' ', 1) }} {{ words.rsplit(maxsplit=1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a,b,,c'.split(',') }} {{ 'a--b'.split('--')[-1] }} {{ ' a b '.split(none, 1) }} {{ ' a b '.rsplit(none, 1) }} {{ 'a b c'.split(maxsplit=0) }} {{ words.split(sep=' ', maxsplit=2) }}", "{{ 'a'.split('') }}", "{{ lines.splitlines() }} {{ lines.splitlines(true) }} {{ 'a\\x0bb\\x0cc\\x1cd\\u2028e\\x85f'.splitlines() }} {{ ''.splitlines() }}",
    "{{ s.startswith('He') }} {{ s.endswith('ld') }} {{ s.startswith(('x', 'H')) }} {{ s.startswith('World', 6) }} {{ s.endswith('lo', 0, 5) }} {{ s.startswith('') }} {{ s.startswith('', 99) }}", "{{ s.startswith(['H']) }}", "{{ s.replace('o', '0') }} {{ s.replace('l', 'L', 2) }} {{ 'abc'.replace('', '-') }} {{ ''.replace('', 'x') }} {{ 'aaa'.replace('', '-', 2) }} {{ 'éé'.replace('', '.') }}", "{{ s.upper() }} {{ s.lower() }} {{ 'heLLo wORLD 3rd'.title() }} {{ 'heLLo'.capitalize() }} {{ upper.lower() }} {{ 'ß'.upper() }} {{ 'ǆx'.title() }} {{ 'ß'.capitalize() }}", "{{ ','.join(['a', 'b']) }} {{ ''.join(names) }} {{ '-'.join('abc') }} {{ ', '.join(d) }}", "{{ ','.join([1]) }}", "{{ ','.join(people|map(attribute='name')) }}",
    "{{ s.find('o') }} {{ s.rfind('o') }} {{ s.find('z') }} {{ s.index('W') }} {{ '日本語'.find('語') }} {{ s.find('o', 5) }} {{ s.find('o', -3) }} {{ s.count('l') }} {{ 'aaa'.count('aa') }} {{ 'abc'.count('') }} {{ s.find('') }} {{ s.rfind('') }} {{ s.count('o', 5) }} {{ s.rfind('o', 0, 5) }} {{ 'ab'.find('', 5) }}", "{{ s.index('z') }}", "{{ 'abc'.isalpha() }} {{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ ' '.isspace() }} {{ ''.isdigit() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ 'é'.isalpha() }} {{ '½'.isdigit() }} {{ '²'.isdigit() }} {{ 'Ab'.isupper() }} {{ '1a'.isdigit() }}", "{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }} {{ 'x'.removesuffix('y') }}", "{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3) }}|{{ 'a'.center(4) }}|{{ 'ab'.center(5, '*') }}|{{ 'abc'.center(2) }}|{{ 'a'.center(3, '日') }}", "{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('=') }} {{ 'abc'.rpartition('=') }}",
    "{{ '{} {}'.format('a', 1) }} {{ '{0}{1}{0}'.format('x', 'y') }} {{ '{name}!'.format(name='Bo') }} {{ '{{}}'.format() }} {{ '{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd') }} {{ '{:.2f} {:05d} {:,} {:+d} {:x} {:%}'.format(3.14159, 42, 1234567, 5, 255, 0.25) }} {{ '{0[a]} {1.z}'.format({'a': 1}, d) }} {{ '{!r} {!s}'.format('q', 'q') }} {{ '{:.3}'.format('abcdef') }} {{ '{}'.format(none) }} {{ '{0[1]}'.format(list) }} {{ '{:d}|{:5}|{:<5}|{:e}'.format(7, 7, 7, 12345.678) }} {{ '{:g} {:.1f} {:8.3f}'.format(1.5, 2.25, 3.14159) }}", "{{ '{}'.format() }}", "{{ '{x}'.format() }}", "{{ '{'.format(1) }}", "{{ '}'.format(1) }}", "{{ '{:d}'.format('a') }}", "{{ '{:s}'.format(5) }}", "{{ s.nomethod() }}", "{{ s.nomethod is defined }}", "{{ s.split(1) }}", "{{ s.strip('a', 'b') }}", "{{ s.upper(1) }}",
    "{{ messages[1].content.strip() }}|{{ messages[1]['content']|trim }}|{{ messages[0].content.split('.')[0] }}", "{{ (s ~ '!').lower().split()[-1].rstrip('!')[::-1] }}", "{{ 'a-b_c'.replace('-', '_').split('_')|join('+')|upper }}", "{{ digits[2:8:3] }} {{ digits[::-3] }} {{ digits[-4:-1] }} {{ digits[8:2:-2] }} {{ digits[100:] }}| {{ digits[-100:3] }}",
]

CASES = WHITESPACE + LITERALS + OPERATORS + ACCESS + STATEMENTS + FILTERS + JSON + TESTS + METHODS


def render(template):
    try:
        text, _ = chat_template_utils.render_jinja_template(
            [MESSAGES], tools=TOOLS, chat_template=template, add_generation_prompt=True, **TOKENS, **EXTRA)
        return text[0]
    except Exception:  # whatever it is, the same template must fail here too
        return None


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("template_vectors.json")
    vectors = {"now": NOW, "messages": MESSAGES, "tools": TOOLS, "extra": EXTRA, "tokens": TOKENS, "cases": [[c, render(c)] for c in CASES]}
    lines = json.dumps(vectors, ensure_ascii=True, separators=(",", ":")).replace('],["', '],\n["').replace('"cases":[[', '"cases":[\n[')
    out.write_text(lines + "\n")
    print(f"{len(CASES)} cases, {sum(v is None for _, v in vectors['cases'])} of them errors, in {out}")


if __name__ == "__main__":
    main()
