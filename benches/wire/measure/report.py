"""Figures of a run, written for scripts/chart."""
import datetime, json


def add_option(ask):
    ask.add_argument("--json", metavar="FILE", help="write the figures of every round, for scripts/chart")


def chart(title, unit, bars, better="shorter"):
    """Returns the chart of bars: each has a label, the values of all rounds, and whether it is Latchkey's."""
    bars = [{"label": label, "values": values, "own": own} for label, values, own in bars]
    return {"title": title, "unit": unit, "note": f"medians of the rounds, with least and most; {better} is better", "bars": bars}


def write(path, run, drawn):
    """Writes a run with its date and its chart to a file, if one is given; returns the run."""
    run = {"date": datetime.date.today().isoformat(), **run, "chart": drawn}
    if path:
        with open(path, "w") as out:
            json.dump(run, out, indent=1, ensure_ascii=False)
            out.write("\n")
    return run
