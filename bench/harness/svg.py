"""Horizontal bars as SVG, without a library: enough to see a table at a glance."""
from xml.sax.saxutils import escape

FONT = "font-family='sans-serif' font-size='12'"
COLOURS = ("#2b6cb0", "#c05621")


def bars(title, rows, unit, series, line=None):
    """rows: (label, [value or None for each of `series`]); line: a value that gets a vertical rule."""
    height, gap, left, width = 13, 8, 270, 820
    most = max([value for _, values in rows for value in values if value] + [line or 0]) or 1
    scale = (width - left - 80) / most
    parts, y = [], 46
    for i, name in enumerate(series):
        parts.append(f"<rect x='{left + 130 * i}' y='26' width='10' height='10' fill='{COLOURS[i]}'/><text x='{left + 14 + 130 * i}' y='35' {FONT}>{escape(name)}</text>")
    for label, values in rows:
        parts.append(f"<text x='{left - 8}' y='{y + height * len(values) / 2 + 4}' text-anchor='end' {FONT}>{escape(label)}</text>")
        for i, value in enumerate(values):
            if value is not None:
                parts.append(f"<rect x='{left}' y='{y}' width='{value * scale:.1f}' height='{height - 2}' fill='{COLOURS[i]}'/>"
                             f"<text x='{left + value * scale + 4:.1f}' y='{y + height - 3}' {FONT}>{value:.3g}</text>")
            y += height
        y += gap
    if line:
        x = left + line * scale
        parts.append(f"<line x1='{x:.1f}' y1='40' x2='{x:.1f}' y2='{y}' stroke='#333' stroke-dasharray='4 3'/>")
    return (f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{y + 6}' viewBox='0 0 {width} {y + 6}'>"
            f"<rect width='100%' height='100%' fill='white'/><text x='8' y='18' {FONT} font-weight='bold'>{escape(title)} ({escape(unit)})</text>{''.join(parts)}</svg>\n")
