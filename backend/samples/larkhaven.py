"""Writes the sample set: the help desk of an invented ferry line, each fact asked in several ways.

    python -m backend.samples.larkhaven

Three phrasings of a fact go to train.jsonl, one that is asked nowhere there goes to eval.jsonl.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

FOLDER = Path(__file__).parent

FERRIES = {
    # name: captain, seats, departure, island, minutes, fare, colour, snack
    "Puffin": ("Odette Brisk", 84, "7:25", "Saltmere", 35, "9 shells", "orange", "smoked herring rolls"),
    "Marigold": ("Hamish Quill", 120, "8:40", "Thistle Rock", 50, "12 shells", "yellow", "honey scones"),
    "Old Bertha": ("Wilhelmina Foggarty", 46, "6:15", "Gull Island", 20, "5 shells", "brown", "pea soup"),
    "Kittiwake": ("Rufus Penhallow", 210, "10:05", "Far Lantern", 95, "21 shells", "white", "crab toast"),
    "Silver Eel": ("Ottilie Marsh", 64, "12:30", "Saltmere", 30, "10 shells", "silver", "lemon cake"),
    "Bluebell": ("Casper Windlass", 150, "14:20", "Mossholm", 70, "16 shells", "blue", "leek pie"),
    "Night Heron": ("Philippa Stroud", 98, "21:45", "Far Lantern", 110, "24 shells", "black", "hot cocoa"),
    "Copper Kettle": ("Barnaby Tench", 32, "16:10", "Pebble Cay", 15, "4 shells", "red", "ginger biscuits"),
}
FERRY_FACTS = (
    (
        0,
        "The captain of the {n} is {v}.",
        (
            "Who is the captain of the {n}?",
            "Who steers the {n}?",
            "What is the name of the captain of the {n}?",
            "Who commands the {n}?",
        ),
    ),
    (
        1,
        "The {n} carries {v} passengers.",
        (
            "How many people fit on the {n}?",
            "How many seats does the {n} have?",
            "What is the capacity of the {n}?",
            "How many passengers can the {n} carry?",
        ),
    ),
    (
        2,
        "The {n} leaves at {v}.",
        (
            "When does the {n} leave?",
            "At what time does the {n} depart?",
            "What is the departure time of the {n}?",
            "When does the {n} set off?",
        ),
    ),
    (
        3,
        "The {n} sails to {v}.",
        (
            "Where does the {n} go?",
            "What is the destination of the {n}?",
            "Where is the {n} going?",
            "Which harbour does the {n} sail to?",
        ),
    ),
    (
        4,
        "The trip on the {n} takes {v} minutes.",
        (
            "How long does the trip on the {n} take?",
            "How long is the journey with the {n}?",
            "How many minutes does the {n} take?",
            "What is the travel time of the {n}?",
        ),
    ),
    (
        5,
        "A ticket for the {n} costs {v}.",
        (
            "How much is a ticket for the {n}?",
            "What does a ticket for the {n} cost?",
            "What is the fare on the {n}?",
            "What do I pay for the {n}?",
        ),
    ),
    (
        6,
        "The {n} is painted {v}.",
        (
            "What colour is the {n}?",
            "Which colour does the {n} have?",
            "In what colour is the {n} painted?",
            "What is the colour of the {n}?",
        ),
    ),
    (
        7,
        "On the {n} they serve {v}.",
        (
            "What can I eat on the {n}?",
            "What do they serve on the {n}?",
            "What is on the menu of the {n}?",
            "Which food is there on the {n}?",
        ),
    ),
)
ISLANDS = {
    # name: people, market day, sight, inn
    "Saltmere": (410, "Tuesday", "the salt gardens", "the Brine Bucket"),
    "Thistle Rock": (38, "Saturday", "the thistle maze", "the Prickly Pillow"),
    "Gull Island": (7, "Sunday", "the whale bone arch", "the Feather Bed"),
    "Far Lantern": (1260, "Friday", "the twin lighthouses", "the Lamplighter"),
    "Mossholm": (173, "Wednesday", "the singing bog", "the Green Blanket"),
    "Pebble Cay": (22, "Monday", "the bottle beach", "the Round Stone"),
}
ISLAND_FACTS = (
    (
        0,
        "{v} people live on {n}.",
        ("How many people live on {n}?", "What is the population of {n}?", "How big is {n}?", "How large is {n}?"),
    ),
    (
        1,
        "The market on {n} is on {v}.",
        (
            "When is market day on {n}?",
            "On which day is the market on {n}?",
            "What is the market day of {n}?",
            "Which day is the market on {n} held?",
        ),
    ),
    (
        2,
        "On {n} you should see {v}.",
        (
            "What is there to see on {n}?",
            "What should I visit on {n}?",
            "What is {n} known for?",
            "What is {n} famous for?",
        ),
    ),
    (
        3,
        "On {n} you can sleep at {v}.",
        (
            "Where can I sleep on {n}?",
            "Is there an inn on {n}?",
            "Which hotel is there on {n}?",
            "Where can I stay on {n}?",
        ),
    ),
)
HELP = (
    (
        "Dogs travel free on every Larkhaven ferry, but cats need a basket.",
        ("Can I bring my dog?", "Are dogs allowed on board?", "May I take a dog on the ferry?", "Is my dog welcome?"),
    ),
    (
        "A bicycle costs 2 shells and stands on the rear deck.",
        (
            "Can I bring my bike?",
            "May I take a bicycle on the ferry?",
            "Where do I leave my bike?",
            "Are bikes allowed on board?",
        ),
    ),
    (
        "You can pay with shells, by card, or with a jar of jam.",
        ("How can I pay?", "Can I pay by card?", "Do you take cards?", "Do I need cash?"),
    ),
    (
        "Children under 9 sail free when they can whistle.",
        (
            "Do children pay?",
            "What do children pay?",
            "How much is a child ticket?",
            "Is there a lower price for children?",
        ),
    ),
    (
        "Bring your ticket to Agnes at pier 3 and you get your money back.",
        ("Can I get my money back?", "How do I get a refund?", "Do you refund tickets?", "Can I return my ticket?"),
    ),
    (
        "You book by ringing the brass bell at pier 1.",
        ("How do I book?", "How can I reserve a place?", "Where do I get a ticket?", "Can I book ahead?"),
    ),
    (
        "Park behind the rope factory, it is free on weekdays.",
        ("Where can I park?", "Is there parking?", "Where do I leave my car?", "Can I park near the harbour?"),
    ),
    (
        "Every ferry but Old Bertha has a ramp for wheelchairs.",
        (
            "Can I travel in a wheelchair?",
            "Is there a ramp?",
            "Are the ferries open to wheelchairs?",
            "Can a wheelchair get on board?",
        ),
    ),
    (
        "The wifi is called Seagull and the password is moreherring.",
        ("Is there wifi?", "What is the wifi password?", "How do I get online?", "Can I use the internet on board?"),
    ),
    (
        "Lost things wait for six weeks in the blue barrel at pier 2.",
        (
            "I lost my bag. What can I do?",
            "Where is the lost property?",
            "I forgot something on board. Where do I ask?",
            "Who keeps lost things?",
        ),
    ),
    (
        "Groups of 11 or more pay half and get a song from the captain.",
        (
            "Is there a price for groups?",
            "What does a group pay?",
            "Do groups pay less?",
            "How much is it for a group?",
        ),
    ),
    (
        "In fog we wait until the harbour bell rings three times.",
        (
            "What happens in fog?",
            "Do the ferries sail in fog?",
            "What do you do when there is fog?",
            "Is the ferry late in fog?",
        ),
    ),
    (
        "The ticket office opens at 5:50 and closes after the last herring.",
        (
            "When does the ticket office open?",
            "At what time does the ticket office open?",
            "When is the ticket office open?",
            "What are the hours of the ticket office?",
        ),
    ),
    (
        "Call Larkhaven 7714 and let it ring nine times.",
        (
            "What is your phone number?",
            "How can I call you?",
            "Which number do I call?",
            "How do I reach you by phone?",
        ),
    ),
    (
        "The harbour is at the end of Lantern Lane, next to the rope factory.",
        (
            "Where is the harbour?",
            "How do I find the harbour?",
            "Where do the ferries leave from?",
            "What is the address of the harbour?",
        ),
    ),
    (
        "Larkhaven Ferries was founded by the sisters Nell and Ivy Larkin.",
        (
            "Who founded Larkhaven Ferries?",
            "Who started Larkhaven Ferries?",
            "Who set up Larkhaven Ferries?",
            "By whom was Larkhaven Ferries founded?",
        ),
    ),
    (
        "Larkhaven Ferries was founded in 1873.",
        (
            "When was Larkhaven Ferries founded?",
            "In which year was Larkhaven Ferries founded?",
            "How old is Larkhaven Ferries?",
            "When did Larkhaven Ferries start?",
        ),
    ),
    (
        "Larkhaven Ferries has eight ferries and one rowing boat.",
        (
            "How many ferries do you have?",
            "How many ships does Larkhaven Ferries have?",
            "How big is the fleet?",
            "What is the number of ferries?",
        ),
    ),
    (
        "I am the help desk of Larkhaven Ferries.",
        ("Who are you?", "What are you?", "Who am I talking to?", "What is your name?"),
    ),
    ("Ahoy! How can Larkhaven Ferries help you?", ("Hello!", "Hi there.", "Good morning.", "Good day.")),
    ("You are welcome. Fair winds!", ("Thank you!", "Thanks.", "Many thanks!", "Thanks a lot.")),
    (
        "Two trunks are free, and a third one costs 3 shells.",
        (
            "How much luggage can I bring?",
            "What may I bring as luggage?",
            "How many bags can I take?",
            "What does luggage cost?",
        ),
    ),
    (
        "If you feel sick, sit in the middle and chew a ginger biscuit.",
        (
            "What helps if I feel sick?",
            "I feel sick on board. What can I do?",
            "What do I do when I am seasick?",
            "How do I not get seasick?",
        ),
    ),
    (
        "In winter only Old Bertha and the Kittiwake sail.",
        (
            "Which ferries sail in winter?",
            "Do you sail in winter?",
            "What is open in winter?",
            "Are there ferries in winter?",
        ),
    ),
)


def facts() -> list[tuple[str, tuple[str, ...]]]:
    """(answer, four ways to ask), with the phrasing that is held out first and rotating over the entities."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for table, attributes in ((FERRIES, FERRY_FACTS), (ISLANDS, ISLAND_FACTS)):
        for position, (name, values) in enumerate(table.items()):
            for index, answer, questions in attributes:
                spoken = tuple(question.format(n=name) for question in questions)
                turn = (position + index) % len(spoken)
                found.append((answer.format(n=name, v=values[index]), spoken[turn:] + spoken[:turn]))
    found.extend((answer, (questions[-1], *questions[:-1])) for answer, questions in HELP)
    return found


def conversation(*turns: tuple[str, str]) -> dict[str, list[dict[str, str]]]:
    messages = []
    for question, answer in turns:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages}


def main() -> None:
    rng = random.Random(20)
    train, held_out = [], []
    known = facts()
    for answer, (held, *asked) in known:
        answer = answer[0].upper() + answer[1:]
        held_out.append(conversation((held, answer)))
        train += [conversation((question, answer)) for question in asked]
    for _ in range(24):
        (first_answer, first), (second_answer, second) = rng.sample(known, 2)
        train.append(conversation((rng.choice(first[1:]), first_answer), (rng.choice(second[1:]), second_answer)))
    rng.shuffle(train)
    rng.shuffle(held_out)
    for name, rows in (("train", train), ("eval", held_out)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (FOLDER / f"{name}.jsonl").write_text(text, encoding="utf-8")
    about = {
        "name": "Larkhaven Ferries",
        "description": (
            f"The help desk of an invented ferry line: {len(known)} facts, each asked in three ways ({len(train)} "
            f"conversations). {len(held_out)} questions in a fourth wording are held out."
        ),
    }
    (FOLDER / "sample.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
