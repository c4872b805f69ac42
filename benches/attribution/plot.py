"""The rows of trace_bench as a picture: python plot.py GROWTH.txt > growth.svg

Time per question and segment over the size of the text, both axes logarithmic. A dotted line beside each series grows with the
logarithm of the size: what a binary search would do.
"""

import math
import sys

WIDTH, HEIGHT, LEFT, BOTTOM, RIGHT, TOP = 820, 460, 70, 50, 230, 60
# Column in a row, label, colour, dashes: the cold ones are by the clock. Older rows lack the last two.
SERIES = [(6, "count of 20 bytes", "#0b6e4f", ""), (7, "spans, 1,000-byte answer", "#1d4e89", ""),
          (8, "owners, 1,000-byte answer", "#b5651d", ""), (9, "spans, cold", "#1d4e89", "6 3"),
          (13, "owners, cold", "#b5651d", "6 3"), (14, "count, cold", "#0b6e4f", "6 3")]
SIZE, LIMIT, SEGMENTS = 0, 1, 2
LINE = 15  # between labels


def main():
    rows = [line.split()[1:] for line in open(sys.argv[1]) if line.startswith("row ")]
    rows = [[float(field) for field in row] for row in rows]
    series = [(column, label, colour, dashes) for column, label, colour, dashes in SERIES if all(len(row) > column for row in rows)]
    sizes = sorted({row[SIZE] for row in rows})
    value = lambda row, column: max(row[column] / row[SEGMENTS], 0.01)
    values = [value(row, column) for row in rows for column, *_ in series]
    x0, x1 = math.log10(sizes[0]), math.log10(max(sizes[-1], sizes[0] * 10))
    y0, y1 = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    x = lambda size: LEFT + (math.log10(size) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
    y = lambda value: HEIGHT - BOTTOM - (math.log10(value) - y0) / (y1 - y0) * (HEIGHT - BOTTOM - TOP)
    say = lambda at_x, at_y, text, anchor="middle", colour="#222": print(
        f'<text x="{at_x:.0f}" y="{at_y:.0f}" text-anchor="{anchor}" fill="{colour}">{text}</text>')
    line = lambda points, colour, width, dashes: print(
        f'<polyline fill="none" stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dashes}" points="'
        + " ".join(f"{x(size):.1f},{y(at):.1f}" for size, at in points) + '"/>')
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">')
    print(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>')
    say(LEFT, 20, "Microseconds per question and segment, by size of the text: CPU of one core; cold, dashed: median by the clock.", "start")
    say(LEFT, 36, "Filled: segments of at most 512 MiB. Hollow: one segment. Dotted: growth by the logarithm of the size.", "start")
    for power in range(y0, y1 + 1):
        at = y(10**power)
        print(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        say(LEFT - 8, at + 4, f"{10**power:g}", "end")
    for size in sizes:
        say(x(size), HEIGHT - BOTTOM + 20, f"{size:g} MB" if size < 1000 else f"{size / 1000:g} GB")
    labels = []
    for column, label, colour, dashes in series:
        parts = sorted((row[SIZE], value(row, column)) for row in rows if row[LIMIT] <= 512)
        line(parts, colour, 2, dashes)
        # From the first point on, in bytes: the logarithm of 1 MB is not nothing.
        first = parts[0]
        grown = [(size, first[1] * math.log(size * 1e6) / math.log(first[0] * 1e6)) for size in sizes]
        if not dashes:
            line(grown, colour, 1, "1 4")
        for row in rows:
            fill = colour if row[LIMIT] <= 512 else "#fff"
            print(f'<circle cx="{x(row[SIZE]):.1f}" cy="{y(value(row, column)):.1f}" r="4" fill="{fill}" stroke="{colour}"/>')
        labels.append((y(parts[-1][1]) + 4, label, colour))
    # Labels keep the order of their curves and move down, then up from the bottom, until none covers another.
    labels.sort()
    places = [at for at, _, _ in labels]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + LINE)
    floor = HEIGHT - BOTTOM
    for i in reversed(range(len(places))):
        places[i] = min(places[i], floor - LINE * (len(places) - 1 - i))
    for at, (_, label, colour) in zip(places, labels):
        say(WIDTH - RIGHT + 12, at, label, "start", colour)
    print("</svg>")


main()
