"""Figures of a run, written for scripts/chart."""
import datetime, json


def add_option(ask):
    ask.add_argument("--json", metavar="FILE", help="write the figures of every round, for scripts/chart")


def chart(title, unit, bars, better="shorter", lines="medians of the rounds, with least and most"):
    """Returns the chart of bars: each has a label, the values of all rounds, whether it is Latchkey's (or the first of a pair), and
    perhaps a 99th percentile. `lines` says what a bar and the line on it are."""
    bars = [{"label": label, "values": values, "own": own, **({"p99": p99[0]} if p99 else {})} for label, values, own, *p99 in bars]
    return {"title": title, "unit": unit, "note": f"{lines}; {better} is better", "bars": bars}


def write(path, run, drawn):
    """Writes a run with its date and its chart to a file, if one is given; returns the run."""
    run = {"date": datetime.date.today().isoformat(), **run, "chart": drawn}
    if path:
        with open(path, "w") as out:
            json.dump(run, out, indent=1, ensure_ascii=False)
            out.write("\n")
    return run
