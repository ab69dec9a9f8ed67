"""A picture (SVG) of families of points: linear across, logarithmic upwards."""

import math
from html import escape

WIDTH, HEIGHT = 860, 560
LEFT, RIGHT, TOP, BOTTOM = 80, 210, 30, 60
# Told apart also by those who see colours otherwise (Okabe and Ito's palette).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")


def ticks_linear(least, most):
    return range(math.floor(least), math.ceil(most) + 1)


def ticks_decades(least, most):
    """1, 2 and 5 times powers of ten that lie in the range."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    values = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    return [value for value in values if least <= value <= most]


class Frame:
    """Where numbers stand on the paper."""

    def __init__(self, points):
        across, upwards = [p[0] for p in points], [p[1] for p in points]
        self.least_x, self.most_x = math.floor(min(across)), math.ceil(max(across))
        self.least_y, self.most_y = min(upwards) / 1.3, max(upwards) * 1.3

    def x(self, value):
        part = (value - self.least_x) / max(self.most_x - self.least_x, 1)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        part = math.log(value / self.least_y) / math.log(self.most_y / self.least_y)
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)


def text(x, y, words, **attributes):
    extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{extra}>{escape(words)}</text>\n'


def grid(frame, across, upwards):
    out, right, bottom = "", WIDTH - RIGHT, HEIGHT - BOTTOM
    for value in ticks_linear(frame.least_x, frame.most_x):
        x = frame.x(value)
        out += f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#ddd"/>\n'
        out += text(x, bottom + 18, str(value), text_anchor="middle")
    for value in ticks_decades(frame.least_y, frame.most_y):
        y = frame.y(value)
        out += f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>\n'
        out += text(LEFT - 6, y + 4, f"{value:g}", text_anchor="end")
    out += text((LEFT + right) / 2, HEIGHT - 16, across, text_anchor="middle")
    middle = (TOP + bottom) / 2
    out += text(18, middle, upwards, text_anchor="middle", transform=f"rotate(-90 18 {middle})")
    return out


def family(frame, name, points, index):
    """A line through the points that no other of the family is better than, all points
    with their names, and the entry of the legend."""
    points = sorted(points)
    best = [p for p in points if not any(q[0] <= p[0] and q[1] < p[1] for q in points)]
    path = "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y, _ in best)
    colour = COLOURS[index % len(COLOURS)]
    # More families than colours: the second ones are hollow and dashed.
    again = index >= len(COLOURS)
    line = f'stroke="{colour}" stroke-width="1.5"'
    circle = f'{line} fill="{"white" if again else colour}"'
    dashes = ' stroke-dasharray="5 3"' if again else ""
    out = f'<path d="M{path}" fill="none" {line}{dashes}/>\n'
    for x, y, label in points:
        out += f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="2.5" {circle}/>\n'
        out += text(frame.x(x) + 5, frame.y(y) - 4, label, fill=colour, font_size=9)
    y = TOP + 10 + 20 * index
    out += f'<circle cx="{WIDTH - RIGHT + 20}" cy="{y}" r="3.5" {circle}/>\n'
    return out + text(WIDTH - RIGHT + 30, y + 4, name)


def draw(families, across, upwards):
    """`families`: name -> [(x, y, label)]; all y above 0."""
    frame = Frame([point for points in families.values() for point in points])
    out = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">\n'
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n')
    out += grid(frame, across, upwards)
    for index, (name, points) in enumerate(families.items()):
        out += family(frame, name, points, index)
    return out + "</svg>\n"
