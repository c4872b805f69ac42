"""The rows of trace_bench as a picture: python plot.py GROWTH.txt > growth.svg

Time per question over the size of the index, both axes logarithmic.
"""

import math
import sys

WIDTH, HEIGHT, LEFT, BOTTOM, RIGHT, TOP = 760, 420, 70, 50, 190, 40
# Column in a row, label, colour.
SERIES = [(6, "count of 20 bytes", "#0b6e4f"), (7, "spans, 1,000-byte answer", "#1d4e89"),
          (8, "owners, 1,000-byte answer", "#b5651d"), (9, "spans, cold, wall", "#8c8c8c")]


def main():
    rows = [line.split()[1:] for line in open(sys.argv[1]) if line.startswith("row ")]
    rows = [[float(field) for field in row] for row in rows]
    sizes = sorted({row[0] for row in rows})
    values = [row[column] for row in rows for column, _, _ in SERIES]
    x0, x1 = math.log10(sizes[0]), math.log10(max(sizes[-1], sizes[0] * 10))
    y0, y1 = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    x = lambda size: LEFT + (math.log10(size) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
    y = lambda value: HEIGHT - BOTTOM - (math.log10(value) - y0) / (y1 - y0) * (HEIGHT - BOTTOM - TOP)
    say = lambda at_x, at_y, text, anchor="middle", colour="#222": print(
        f'<text x="{at_x:.0f}" y="{at_y:.0f}" text-anchor="{anchor}" fill="{colour}">{text}</text>')
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">')
    print(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>')
    say(LEFT, 20, "CPU microseconds per question on one core, by size of the index; filled: segments of at most 512 "
        "MiB, hollow: one segment", "start")
    for power in range(y0, y1 + 1):
        at = y(10**power)
        print(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        say(LEFT - 8, at + 4, f"{10**power:g}", "end")
    for size in sizes:
        say(x(size), HEIGHT - BOTTOM + 20, f"{size:g} MB")
    for column, label, colour in SERIES:
        parts = [(row[0], row[column]) for row in rows if row[1] <= 512]
        print(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
              + " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in parts) + '"/>')
        for row in rows:
            fill = colour if row[1] <= 512 else "#fff"
            print(f'<circle cx="{x(row[0]):.1f}" cy="{y(row[column]):.1f}" r="4" fill="{fill}" stroke="{colour}"/>')
        say(x(parts[-1][0]) + 12, y(parts[-1][1]) + 4, label, "start", colour)
    print("</svg>")


main()
