# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG, legible on their own: title, axes with units, legend, and what was measured where."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 64, 96
COLOURS = ["#0b57d0", "#c2410c", "#15803d", "#7e22ce", "#0e7490", "#525252"]
MARKS = ["circle", "square", "diamond"]


class Axis:
    """Maps values to pixels, and knows where to put its labels."""

    def __init__(self, values, begin, end, log):
        self.begin, self.end, self.log = begin, end, log
        if log:
            self.low, self.high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
            self.high = max(self.high, self.low + 1)
        else:
            self.low, self.high = 0, (max(values) or 1) * 1.08

    def at(self, value):
        position = math.log10(value) if self.log else value
        return self.begin + (position - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self):
        if self.log:
            return [10.0**exponent for exponent in range(self.low, self.high + 1)]
        step = 10 ** math.floor(math.log10(self.high))
        while self.high / step < 4:
            step /= 2
        return [step * i for i in range(int(self.high / step) + 1)]


def short(value):
    """1000 -> 1 k, 2500000 -> 2.5 M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.3g}"


def text(x, y, words, size=13, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" {extra}>{escape(words)}</text>'


def mark(kind, x, y, colour):
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    turn = f' transform="rotate(45 {x:.1f} {y:.1f})"' if kind == "diamond" else ""
    return f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="{colour}"{turn}/>'


def frame(title, subtitle, body):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        + text(WIDTH / 2, 26, title, 17, extra='font-weight="bold"') + "\n"
        + text(WIDTH / 2, 46, subtitle, 12, extra='fill="#525252"') + "\n" + "\n".join(body) + "\n</svg>\n"
    )


def grid(x_axis, y_axis, x_label, y_label):
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    out = []
    for tick in y_axis.ticks():
        y = y_axis.at(tick)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#e5e5e5"/>')
        out.append(text(LEFT - 8, y + 4, short(tick), 12, "end"))
    for tick in x_axis.ticks() if x_axis else []:
        x = x_axis.at(tick)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#f0f0f0"/>')
        out.append(text(x, bottom + 18, short(tick), 12))
    out.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#404040"/>')
    out.append(text((LEFT + right) / 2, bottom + 40, x_label))
    middle = (TOP + bottom) / 2
    out.append(text(20, middle, y_label, extra=f'transform="rotate(-90 20 {middle:.1f})"'))
    return out


def legend(names):
    out, x = [], LEFT
    for i, name in enumerate(names):
        colour = COLOURS[i % len(COLOURS)]
        out.append(mark(MARKS[i % len(MARKS)], x + 6, HEIGHT - 24, colour))
        out.append(text(x + 16, HEIGHT - 20, name, 12, "start"))
        x += 40 + 7 * len(name)
    return out


def lines(title, subtitle, x_label, y_label, series, log_x=True, log_y=False):
    """`series`: {name: [(x, median, lowest, highest), ...]}; the spread is drawn as a bar."""
    points = [point for line in series.values() for point in line]
    x_axis = Axis([p[0] for p in points], LEFT, WIDTH - RIGHT, log_x)
    y_axis = Axis([p[i] for p in points for i in (1, 2, 3)], HEIGHT - BOTTOM, TOP, log_y)
    out = grid(x_axis, y_axis, x_label, y_label)
    for i, line in enumerate(series.values()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{'M' if n == 0 else 'L'}{x_axis.at(p[0]):.1f} {y_axis.at(p[1]):.1f}" for n, p in enumerate(line))
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, median, low, high in line:
            at = x_axis.at(x)
            out.append(f'<path d="M{at:.1f} {y_axis.at(low):.1f}V{y_axis.at(high):.1f}" stroke="{colour}" opacity="0.5"/>')
            out.append(mark(MARKS[i % len(MARKS)], at, y_axis.at(median), colour))
    return frame(title, subtitle, out + legend(series))


def bars(title, subtitle, y_label, parts):
    """`parts`: {bar: {part: value}}; parts of one bar are stacked."""
    names = list(dict.fromkeys(part for bar in parts.values() for part in bar))
    tops = [sum(bar.values()) for bar in parts.values()]
    y_axis = Axis(tops, HEIGHT - BOTTOM, TOP, False)
    out = grid(None, y_axis, "", y_label)
    room = (WIDTH - RIGHT - LEFT) / len(parts)
    for n, (bar, values) in enumerate(parts.items()):
        x, total = LEFT + room * (n + 0.5), 0
        for i, part in enumerate(names):
            if not values.get(part):
                continue
            base, top = y_axis.at(total), y_axis.at(total + values[part])
            total += values[part]
            out.append(f'<rect x="{x - room * 0.3:.1f}" y="{top:.1f}" width="{room * 0.6:.1f}" '
                       f'height="{base - top:.1f}" fill="{COLOURS[i % len(COLOURS)]}"/>')
        out.append(text(x, y_axis.at(total) - 6, short(float(f"{total:.3g}")), 12))
        out.append(text(x, HEIGHT - BOTTOM + 18, bar, 12))
    return frame(title, subtitle, out + legend(names))
