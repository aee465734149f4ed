"""A small invented world, written as questions and answers: the text that the built-in base model learns from.

Everything is drawn from the tables below with one seed, so the same text can be made again anywhere. The world
shares no name and no fact with the sample set, so what a tuned model knows of it came from the tuning.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Value = Callable[[random.Random], str]

FIRST_NAMES = """Ada Alma Amos Anders Anya Arlo Astrid Aziz Basil Beatrix Bela Bruno Camille Carlos Cedric Chiara Clara Dario
Delia Dmitri Edda Elif Elias Emeka Enzo Esther Farid Fatima Felix Fiona Flora Gita Greta Hana Hassan Hector Helga Hugo Ida
Ilse Imani Ines Irma Ivan Jamal Jana Jasper Jonas Jun Kamal Karin Keiko Klaus Lars Leila Lena Leo Lina Lorenzo Luca Lucia
Magda Malik Marek Maren Marta Mateo Maya Mei Mila Milo Mina Mira Nadia Naomi Nico Nils Noor Olga Omar Oscar Otto Paloma
Paul Pavel Petra Priya Quentin Rafael Rania Ravi Rosa Ruben Ruth Sami Sanna Selma Silas Sofia Stefan Sven Tamar Tariq Teo
Tilda Tomas Ursula Vera Victor Wanda Wei Willem Xenia Yara Yusuf Zara Zeno Zoe""".split()
STARTS = """Al An Ar Bal Bar Bel Bren Bro Cal Car Cas Cor Cran Dal Dar Del Dor Dun El Em Er Fal Fen Fin Gal Gar Glen Gor
Hal Har Hel Hol Il In Jar Jor Kal Kar Kel Kor Lan Lin Lor Lun Mal Mar Mel Mor Nal Nar Nev Nor Ol Or Pal Par Pen Por Quan
Ral Rav Ren Ros Sal San Sel Sol Tal Tar Tel Tor Ul Ur Val Var Ven Vor Wal Wen Wil Yar Yor Zal Zan Zel""".split()
MIDDLES = "a e i o u ba da de di do ga ka la le li lo ma mi na ne ni no ra re ri ro sa se ta te ti to va ve vi".split()
TOWN_ENDS = (
    "bridge brook bury by dale fell field ford gate ham haven hill holm hurst ley mere mouth stead ton wick".split()
)
NAME_ENDS = "ck dor l lan len lin m mar n nd ner nis r ran rin s san sen ska th tin va x zek".split()
ANIMALS = """badger bear beaver camel cat cow crane crow deer dog donkey duck eagle falcon ferret fox goat goose hare hawk
hedgehog heron horse lizard llama lynx mole moose mouse otter owl parrot pig pony rabbit raven seal sheep snake stork swan
toad turtle weasel wolf""".split()
FOODS = """apples apricots bacon barley beans beets berries biscuits bread broth butter cabbage cake carrots cheese cherries
chestnuts chicken chocolate corn crab cream dates dumplings eggs figs fish garlic ginger grapes ham hay honey jam leeks
lemons lentils lettuce mango melon milk mint mushrooms mussels noodles nuts oats olives onions oranges oysters pancakes pasta
peaches pears peas peppers pickles pie pizza plums porridge potatoes pudding pumpkin radishes rice rye bread salad salmon
sardines sausages soup spinach squash stew sunflower seeds tea toast tofu tomatoes trout tuna turnips waffles walnuts
yoghurt""".split()
JOBS = """actor architect baker banker barber builder butcher captain carpenter chemist clerk cook dancer dentist doctor
driver editor engineer farmer fisher gardener guard guide hatter judge lawyer librarian mason mechanic miner musician nurse
painter pilot plumber poet potter printer sailor singer smith tailor teacher waiter weaver writer""".split()
HOBBIES = """archery baking boxing camping carving chess climbing cooking cycling dancing drawing fencing fishing gardening
hiking juggling knitting painting photography poetry pottery reading riding rowing running sailing sewing singing skating
skiing surfing swimming tennis weaving writing yoga""".split()
INSTRUMENTS = (
    "accordion banjo bassoon bell cello clarinet drum fiddle flute guitar harp horn lute oboe organ piano".split()
)
COLOURS = "black blue brown copper cream crimson gold green grey navy orange pink purple red silver turquoise white yellow".split()
GOODS = """bags baskets bells belts bicycles boats books boots bottles bricks brushes buttons candles canoes caps chairs
clocks coats cups desks dolls doors drums engines fans flags glasses gloves hats jars kettles keys kites knives ladders lamps
locks maps mirrors nails nets ovens paint paper pens phones pianos pipes pots pumps radios ropes rugs saddles sails scales
scarves screws shoes skates soap socks spoons stoves tables tents tiles tools toys trains umbrellas violins wagons watches
wheels windows wool""".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
STREETS = "Abbey Acre Bank Bridge Castle Chapel Church Cross Elm Ferry Forest Garden High King Lake Lower Market Mill New North Oak Park Pine Queen River School South Spring Station Stone Upper Water West".split()
TOPICS = """a lost ring, a long winter, an old map, a stolen horse, a broken clock, a deep lake, two brothers, a silent king,
the open sea, a hidden garden, a small school, a strange guest, the first train, a poor painter, a golden key, a fallen tower,
three sisters, a night journey, a talking bird, the last harvest""".replace("\n", " ").split(", ")
MATERIALS = "brass bronze clay copper cotton glass iron leather linen marble oak paper pine plastic silk silver slate steel stone tin wax willow wool".split()
PLACES = "attic barn basement cabin cave cellar cliff courtyard den field forest garden greenhouse hall hut kitchen library meadow orchard pen pond shed stable tower valley yard".split()
REASONS = "it rained, the road was closed, the key was lost, the train was late, the bell was broken, the river froze, the lamp went out, the cook was ill, the bridge was up, the wind was strong".split(
    ", "
)


def one_of(words: list[str]) -> Value:
    return lambda rng: rng.choice(words)


def number(low: int, high: int, step: int = 1, unit: str = "") -> Value:
    return lambda rng: f"{rng.randrange(low, high + 1, step):,}{unit}"


def year(rng: random.Random) -> str:
    return str(rng.randrange(1602, 2020))


def clock(rng: random.Random) -> str:
    return f"{rng.randrange(5, 22)}:{rng.choice(['00', '05', '10', '15', '20', '30', '40', '45', '50'])}"


def first_name(rng: random.Random) -> str:
    return rng.choice(FIRST_NAMES)


def made_up(rng: random.Random) -> str:
    return (
        rng.choice(STARTS) + "".join(rng.choice(MIDDLES) for _ in range(rng.choice((0, 1, 1)))) + rng.choice(NAME_ENDS)
    )


def person(rng: random.Random) -> str:
    return f"{first_name(rng)} {made_up(rng)}"


def town(rng: random.Random) -> str:
    return rng.choice(STARTS) + rng.choice(["", *MIDDLES]) + rng.choice(TOWN_ENDS)


def street(rng: random.Random) -> str:
    return f"{rng.choice(STREETS)} {rng.choice(['Street', 'Road', 'Lane', 'Square'])}"


def price(rng: random.Random) -> str:
    return f"{rng.randrange(2, 95)} {rng.choice(['crowns', 'coins', 'dollars', 'euros'])}"


def phone(rng: random.Random) -> str:
    return f"{rng.randrange(200, 999)} {rng.randrange(1000, 9999)}"


@dataclass(frozen=True)
class Attribute:
    """`questions` all ask for the same thing; `answers` are full sentences. `{n}` is the name, `{v}` the value."""

    value: Value
    questions: tuple[str, ...]
    answers: tuple[str, ...]


def attribute(value: Value, questions: str, answers: str) -> Attribute:
    return Attribute(value, tuple(questions.split(" | ")), tuple(answers.split(" | ")))


@dataclass(frozen=True)
class Kind:
    """`name` makes names; `say` is how a question may speak of it besides the bare name."""

    name: Value
    say: tuple[str, ...]
    attributes: tuple[Attribute, ...]


def titled(*ends: str) -> Value:
    return lambda rng: f"{made_up(rng)} {rng.choice(ends)}"


def the(adjectives: list[str], nouns: list[str]) -> Value:
    return lambda rng: f"the {rng.choice(adjectives).title()} {rng.choice(nouns).title()}"


KINDS: dict[str, Kind] = {
    "person": Kind(
        person,
        ("{n}",),
        (
            attribute(
                one_of(JOBS),
                "What does {n} do for a living? | What is {n}'s job? | What work does {n} do? | Which job does {n} have? | Tell me {n}'s profession. | What is the profession of {n}? | As what does {n} work?",
                "{n} is a {v}. | {n} works as a {v}.",
            ),
            attribute(
                town,
                "Where does {n} live? | What is {n}'s home town? | In which town does {n} live? | Where is {n}'s home? | Which town is {n} from? | Where can I find {n}? | Where is {n} at home?",
                "{n} lives in {v}.",
            ),
            attribute(
                one_of(FOODS),
                "What does {n} like to eat? | What is {n}'s favourite food? | Which food does {n} like best? | What does {n} love to eat? | What should I cook for {n}? | What is the favourite food of {n}?",
                "{n} likes {v} best. | {n} loves {v}.",
            ),
            attribute(
                one_of(HOBBIES),
                "What is {n}'s hobby? | What does {n} do for fun? | What does {n} do after work? | Which hobby does {n} have? | How does {n} spend free time? | What does {n} enjoy?",
                "{n} enjoys {v}.",
            ),
            attribute(
                one_of(INSTRUMENTS),
                "Which instrument does {n} play? | What instrument can {n} play? | What does {n} play in the band? | What is {n}'s instrument? | Does {n} play an instrument?",
                "{n} plays the {v}.",
            ),
            attribute(
                number(18, 90),
                "How old is {n}? | What is {n}'s age? | What age is {n}? | How many years old is {n}? | Tell me the age of {n}.",
                "{n} is {v} years old.",
            ),
            attribute(
                one_of(MONTHS),
                "When is {n}'s birthday? | In which month was {n} born? | What is {n}'s birth month? | When was {n} born? | When does {n} have a birthday?",
                "{n} was born in {v}.",
            ),
        ),
    ),
    "town": Kind(
        town,
        ("{n}", "the town of {n}"),
        (
            attribute(
                person,
                "Who is the mayor of {n}? | Who runs {n}? | What is the name of the mayor of {n}? | Who leads {n}? | Who is in charge of {n}? | Which person is the mayor of {n}?",
                "The mayor of {n} is {v}.",
            ),
            attribute(
                year,
                "When was {n} founded? | In which year was {n} founded? | How old is {n}? | When did {n} begin? | What year was {n} founded? | Since when does {n} exist?",
                "{n} was founded in {v}.",
            ),
            attribute(
                number(900, 90000, 100),
                "How many people live in {n}? | What is the population of {n}? | How big is {n}? | How large is {n}? | What is the size of {n}?",
                "{v} people live in {n}.",
            ),
            attribute(
                one_of(DAYS),
                "When is market day in {n}? | On which day is the market in {n}? | Which day is the market in {n} held? | What is the market day of {n}? | When does the market open in {n}?",
                "The market in {n} is on {v}.",
            ),
            attribute(
                one_of(GOODS),
                "What is {n} known for? | What is {n} famous for? | What do they make in {n}? | Which goods come from {n}? | Why do people know {n}?",
                "{n} is known for its {v}.",
            ),
            attribute(
                lambda rng: made_up(rng),
                "Which river flows through {n}? | What river is {n} on? | What is the name of the river in {n}? | On which river does {n} lie? | Which river runs past {n}?",
                "The river {v} flows through {n}.",
            ),
        ),
    ),
    "company": Kind(
        titled("Works", "Company", "Brothers", "Group", "Tools", "Systems", "Mills"),
        ("{n}", "the company {n}"),
        (
            attribute(
                person,
                "Who founded {n}? | Who started {n}? | Who is the founder of {n}? | Which person founded {n}? | By whom was {n} founded? | Who set up {n}?",
                "{n} was founded by {v}. | {v} founded {n}.",
            ),
            attribute(
                one_of(GOODS),
                "What does {n} make? | What does {n} sell? | Which product does {n} make? | What is {n}'s product? | What can I buy from {n}? | What does {n} produce?",
                "{n} makes {v}.",
            ),
            attribute(
                year,
                "When was {n} founded? | In which year was {n} started? | When did {n} start? | What year was {n} founded? | How long has {n} existed?",
                "{n} was founded in {v}.",
            ),
            attribute(
                town,
                "Where is {n}? | Where is {n} based? | In which town is {n}? | What is the home of {n}? | Where can I find {n}? | Where is the head office of {n}?",
                "{n} is in {v}.",
            ),
            attribute(
                number(5, 900),
                "How many people work at {n}? | How many workers does {n} have? | How big is {n}? | What is the number of people at {n}? | How many people are employed by {n}?",
                "{v} people work at {n}.",
            ),
            attribute(
                person,
                "Who is the director of {n}? | Who runs {n}? | Who leads {n}? | Who is the head of {n}? | Who is the boss of {n}? | Who is in charge of {n}?",
                "The director of {n} is {v}.",
            ),
        ),
    ),
    "ship": Kind(
        the(COLOURS, ANIMALS),
        ("{n}", "the ship {n}"),
        (
            attribute(
                person,
                "Who is the captain of {n}? | Who steers {n}? | Who commands {n}? | What is the name of the captain of {n}? | Which captain sails {n}? | Who sails {n}? | Who is in charge of {n}?",
                "The captain of {n} is {v}.",
            ),
            attribute(
                number(8, 900),
                "How many people fit on {n}? | How many passengers can {n} carry? | What is the capacity of {n}? | How many seats does {n} have? | For how many people is there room on {n}? | How big is {n}?",
                "{n} carries {v} passengers. | There is room for {v} people on {n}.",
            ),
            attribute(
                clock,
                "When does {n} leave? | At what time does {n} depart? | What time does {n} leave? | What is the departure time of {n}? | When does {n} set off? | When is the departure of {n}?",
                "{n} leaves at {v}.",
            ),
            attribute(
                clock,
                "When does {n} arrive? | At what time does {n} arrive? | What time does {n} get in? | What is the arrival time of {n}? | When does {n} come in?",
                "{n} arrives at {v}.",
            ),
            attribute(
                town,
                "Where does {n} go? | Which harbour does {n} sail to? | What is the destination of {n}? | Where is {n} going? | To which place does {n} travel? | Where can I get to with {n}?",
                "{n} goes to {v}. | {n} sails to {v}.",
            ),
            attribute(
                number(20, 300, 1, " minutes"),
                "How long does the trip on {n} take? | How long is the journey with {n}? | How much time does {n} need? | What is the travel time of {n}? | How many minutes does {n} take?",
                "The trip on {n} takes {v}.",
            ),
            attribute(
                price,
                "How much is a ticket for {n}? | What does a ticket for {n} cost? | What is the price of a ticket on {n}? | How much does it cost to travel on {n}? | What do I pay for {n}? | What is the fare on {n}?",
                "A ticket for {n} costs {v}.",
            ),
            attribute(
                one_of(COLOURS),
                "What colour is {n}? | Which colour does {n} have? | In what colour is {n} painted? | What is the colour of {n}?",
                "{n} is painted {v}.",
            ),
            attribute(
                year,
                "When was {n} built? | In which year was {n} built? | How old is {n}? | What year was {n} made? | Since when does {n} sail?",
                "{n} was built in {v}.",
            ),
        ),
    ),
    "animal": Kind(
        first_name,
        ("{n} the {k}",),
        (
            attribute(
                number(1, 40),
                "How old is {n}? | What is {n}'s age? | What age is {n}? | How many years old is {n}? | Tell me the age of {n}.",
                "{n} is {v} years old.",
            ),
            attribute(
                one_of(FOODS),
                "What does {n} eat? | What is {n}'s favourite food? | What should I feed {n}? | Which food does {n} like best? | What does {n} like to eat? | What do you give {n} to eat?",
                "{n} eats {v}. | {n} likes {v} best.",
            ),
            attribute(
                first_name,
                "Who looks after {n}? | Who is {n}'s keeper? | Who takes care of {n}? | Who feeds {n}? | What is the name of {n}'s keeper?",
                "{v} looks after {n}.",
            ),
            attribute(
                one_of(PLACES),
                "Where does {n} live? | Where does {n} sleep? | Where can I find {n}? | Where is {n}'s home? | In which place does {n} live?",
                "{n} lives in the {v}.",
            ),
            attribute(
                one_of(COLOURS),
                "What colour is {n}? | Which colour does {n} have? | What does {n} look like? | What is the colour of {n}?",
                "{n} is {v}.",
            ),
        ),
    ),
    "book": Kind(
        lambda rng: (
            f"{rng.choice(['The', 'A', 'My'])} {rng.choice(COLOURS + MATERIALS).title()} {rng.choice(PLACES + ANIMALS).title()}"
        ),
        ("{n}", "the book {n}"),
        (
            attribute(
                person,
                "Who wrote {n}? | Who is the author of {n}? | Which author wrote {n}? | By whom is {n}? | What is the name of the author of {n}?",
                "{n} was written by {v}. | {v} wrote {n}.",
            ),
            attribute(
                year,
                "When was {n} written? | In which year did {n} come out? | When did {n} appear? | What year is {n} from? | How old is {n}?",
                "{n} came out in {v}.",
            ),
            attribute(
                number(60, 900),
                "How many pages does {n} have? | How long is {n}? | What is the length of {n}? | How thick is {n}?",
                "{n} has {v} pages.",
            ),
            attribute(
                one_of(TOPICS),
                "What is {n} about? | What happens in {n}? | Tell me the story of {n}. | What is the topic of {n}? | What does {n} tell?",
                "{n} is about {v}.",
            ),
            attribute(
                first_name,
                "Who is the hero of {n}? | What is the hero of {n} called? | Who is the main person in {n}? | Which hero is in {n}?",
                "The hero of {n} is {v}.",
            ),
        ),
    ),
    "dish": Kind(
        lambda rng: (
            f"{made_up(rng)} {rng.choice(['pie', 'soup', 'stew', 'cake', 'salad', 'bread', 'rolls', 'pudding'])}"
        ),
        ("{n}",),
        (
            attribute(
                one_of(FOODS),
                "What is in {n}? | What is {n} made of? | What do I need for {n}? | What is the main ingredient of {n}? | What goes into {n}?",
                "{n} is made with {v}.",
            ),
            attribute(
                number(5, 180, 5, " minutes"),
                "How long does {n} take? | How long do I cook {n}? | What is the cooking time of {n}? | When is {n} ready? | How many minutes does {n} need?",
                "{n} takes {v}.",
            ),
            attribute(
                town,
                "Where does {n} come from? | From which town is {n}? | What is the home of {n}? | Where do people eat {n}? | Where was {n} invented?",
                "{n} comes from {v}.",
            ),
            attribute(
                price,
                "How much is {n}? | What does {n} cost? | What is the price of {n}? | What do I pay for {n}?",
                "{n} costs {v}.",
            ),
        ),
    ),
    "shop": Kind(
        lambda rng: (
            f"the {made_up(rng)} {rng.choice(['Museum', 'Cafe', 'Library', 'Theatre', 'Bakery', 'Hotel', 'Pool', 'Gallery', 'School', 'Office', 'Garden', 'Castle'])}"
        ),
        ("{n}",),
        (
            attribute(
                clock,
                "When does {n} open? | At what time does {n} open? | What time does {n} open? | From when is {n} open? | When can I come to {n}? | What is the opening time of {n}? | How early can I visit {n}?",
                "{n} opens at {v}.",
            ),
            attribute(
                clock,
                "When does {n} close? | At what time does {n} close? | What time does {n} close? | Until when is {n} open? | What is the closing time of {n}? | How late is {n} open?",
                "{n} closes at {v}.",
            ),
            attribute(
                one_of(DAYS),
                "On which day is {n} closed? | When is {n} closed? | Which day is {n} shut? | What day does {n} not open? | Is {n} open every day?",
                "{n} is closed on {v}.",
            ),
            attribute(
                street,
                "Where is {n}? | What is the address of {n}? | On which street is {n}? | How do I find {n}? | Where can I find {n}? | In which street is {n}?",
                "{n} is on {v}.",
            ),
            attribute(
                person,
                "Who owns {n}? | Who is the owner of {n}? | To whom does {n} belong? | Who runs {n}? | What is the name of the owner of {n}?",
                "{n} belongs to {v}. | {v} runs {n}.",
            ),
            attribute(
                price,
                "How much is a ticket for {n}? | What does it cost to visit {n}? | What is the price of {n}? | How much do I pay at {n}? | What does a ticket for {n} cost? | How much is the entry to {n}?",
                "A ticket for {n} costs {v}.",
            ),
            attribute(
                phone,
                "What is the phone number of {n}? | How can I call {n}? | How do I reach {n}? | Which number do I call for {n}? | Give me the number of {n}.",
                "The number of {n} is {v}.",
            ),
            attribute(
                one_of(FOODS),
                "What can I eat at {n}? | What do they serve at {n}? | Which food is there at {n}? | What is on the menu of {n}? | What is the special at {n}? | What should I order at {n}?",
                "At {n} they serve {v}. | The special at {n} is {v}.",
            ),
        ),
    ),
    "device": Kind(
        lambda rng: f"{made_up(rng)} {rng.randrange(1, 99)}",
        ("{n}",),
        (
            attribute(
                titled("Works", "Tools", "Systems", "Brothers"),
                "Who makes the {n}? | Which company makes the {n}? | Who is the maker of the {n}? | Who built the {n}? | From which company is the {n}?",
                "The {n} is made by {v}.",
            ),
            attribute(
                price,
                "How much is the {n}? | What does the {n} cost? | What is the price of the {n}? | How much do I pay for the {n}?",
                "The {n} costs {v}.",
            ),
            attribute(
                number(1, 90, 1, " kilos"),
                "How heavy is the {n}? | What does the {n} weigh? | What is the weight of the {n}? | How much does the {n} weigh?",
                "The {n} weighs {v}.",
            ),
            attribute(
                number(1, 60, 1, " hours"),
                "How long does the battery of the {n} last? | How long does the {n} run? | What is the battery life of the {n}? | For how many hours does the {n} work?",
                "The {n} runs for {v}.",
            ),
            attribute(
                one_of(MATERIALS),
                "What is the {n} made of? | Which material is the {n} made of? | From what is the {n} made? | What is the material of the {n}?",
                "The {n} is made of {v}.",
            ),
            attribute(
                number(1, 10, 1, " years"),
                "How long is the guarantee of the {n}? | What guarantee does the {n} have? | For how many years is the {n} covered? | How long is the {n} under guarantee?",
                "The {n} has a guarantee of {v}.",
            ),
        ),
    ),
    "event": Kind(
        lambda rng: (
            f"the {made_up(rng)} {rng.choice(['Festival', 'Fair', 'Race', 'Concert', 'Games', 'Parade', 'Dance', 'Feast'])}"
        ),
        ("{n}",),
        (
            attribute(
                one_of(MONTHS),
                "When is {n}? | In which month is {n}? | What month is {n} held in? | When does {n} take place? | When can I go to {n}?",
                "{n} is in {v}.",
            ),
            attribute(
                town,
                "Where is {n}? | Where is {n} held? | In which town is {n}? | Where does {n} take place? | Where do I go for {n}?",
                "{n} takes place in {v}.",
            ),
            attribute(
                number(1, 14, 1, " days"),
                "How long is {n}? | How many days does {n} last? | How long does {n} go on? | What is the length of {n}?",
                "{n} lasts {v}.",
            ),
            attribute(
                person,
                "Who organises {n}? | Who runs {n}? | Who started {n}? | Who is in charge of {n}? | Which person plans {n}?",
                "{n} is organised by {v}.",
            ),
            attribute(
                person,
                "Who won {n}? | Who was the winner of {n}? | Who came first in {n}? | What is the name of the winner of {n}?",
                "{v} won {n}.",
            ),
        ),
    ),
    "team": Kind(
        lambda rng: f"the {town(rng)} {rng.choice(ANIMALS).title()}s",
        ("{n}",),
        (
            attribute(
                person,
                "Who coaches {n}? | Who is the coach of {n}? | Who trains {n}? | What is the name of the coach of {n}?",
                "{n} are coached by {v}. | {v} coaches {n}.",
            ),
            attribute(
                one_of(COLOURS),
                "What colour do {n} wear? | What is the colour of {n}? | In which colour do {n} play? | Which colour have {n}?",
                "{n} wear {v}.",
            ),
            attribute(
                one_of(DAYS),
                "When do {n} play? | On which day do {n} play? | What day is the game of {n}? | When is the next game of {n}?",
                "{n} play on {v}.",
            ),
            attribute(
                person,
                "Who is the captain of {n}? | Who leads {n}? | Which player is the captain of {n}? | Who is the best player of {n}?",
                "The captain of {n} is {v}.",
            ),
            attribute(
                number(1, 90),
                "How many games have {n} won? | How often did {n} win? | What is the number of games won by {n}? | How many wins do {n} have?",
                "{n} have won {v} games.",
            ),
        ),
    ),
    "planet": Kind(
        lambda rng: rng.choice(STARTS) + rng.choice(MIDDLES) + rng.choice(["ria", "nus", "tis", "dra", "pha", "lon"]),
        ("{n}", "the planet {n}"),
        (
            attribute(
                number(0, 40),
                "How many moons does {n} have? | What is the number of moons of {n}? | How many moons go round {n}? | Does {n} have moons?",
                "{n} has {v} moons.",
            ),
            attribute(
                person,
                "Who discovered {n}? | Who found {n}? | By whom was {n} discovered? | Who saw {n} first?",
                "{n} was discovered by {v}.",
            ),
            attribute(
                one_of(COLOURS),
                "What colour is {n}? | Which colour does {n} have? | What does {n} look like?",
                "{n} is {v}.",
            ),
            attribute(
                number(4, 900, 1, " hours"),
                "How long is a day on {n}? | What is the length of a day on {n}? | How many hours has a day on {n}?",
                "A day on {n} takes {v}.",
            ),
            attribute(
                number(2, 99, 1, " years"),
                "How long is the way to {n}? | How far is {n}? | How long do I fly to {n}? | What is the distance to {n}?",
                "It takes {v} to reach {n}.",
            ),
        ),
    ),
    "class": Kind(
        lambda rng: f"the {made_up(rng)} {rng.choice(HOBBIES)} course",
        ("{n}",),
        (
            attribute(
                person,
                "Who teaches {n}? | Who is the teacher of {n}? | Who gives {n}? | What is the name of the teacher of {n}?",
                "{v} teaches {n}.",
            ),
            attribute(
                number(1, 80),
                "In which room is {n}? | Where is {n}? | What is the room of {n}? | Which room do I go to for {n}?",
                "{n} is in room {v}.",
            ),
            attribute(
                one_of(DAYS),
                "On which day is {n}? | When is {n}? | What day does {n} take place? | When can I take {n}?",
                "{n} is on {v}.",
            ),
            attribute(
                clock,
                "At what time does {n} start? | When does {n} start? | What time does {n} begin? | When does {n} begin?",
                "{n} starts at {v}.",
            ),
            attribute(
                price,
                "How much is {n}? | What does {n} cost? | What is the price of {n}? | What do I pay for {n}?",
                "{n} costs {v}.",
            ),
        ),
    ),
}

RULES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = tuple(
    (tag, tuple(questions.split(" | ")), tuple(answers.split(" | ")))
    for tag, questions, answers in (
        (
            "dog",
            "Can I bring my dog to {n}? | Are dogs allowed at {n}? | May I take a dog to {n}? | Is my dog welcome at {n}? | Do you allow dogs at {n}?",
            "Yes, dogs are welcome at {n} on a lead. | No, dogs may not come to {n}. | Yes, small dogs may come to {n} for {p}.",
        ),
        (
            "bike",
            "Can I bring my bike to {n}? | May I take a bicycle to {n}? | Are bikes allowed at {n}? | Is there room for my bike at {n}? | Where do I leave my bike at {n}?",
            "Yes, bikes are free at {n}. | A bike costs {p} at {n}. | Please leave your bike outside {n}.",
        ),
        (
            "card",
            "Can I pay by card at {n}? | Do you take cards at {n}? | How can I pay at {n}? | Is it possible to pay with a card at {n}? | Do I need cash at {n}?",
            "You can pay by card or cash at {n}. | {n} takes cash only. | {n} takes cards only.",
        ),
        (
            "child",
            "What do children pay at {n}? | Is there a lower price for children at {n}? | How much is a child ticket at {n}? | Do children pay at {n}? | Is {n} free for kids?",
            "Children under {a} enter {n} free. | Children pay half price at {n}. | A child ticket at {n} costs {p}.",
        ),
        (
            "refund",
            "Can I get my money back at {n}? | How do I get a refund from {n}? | What if I cancel at {n}? | Do you refund tickets at {n}? | Can I return my ticket to {n}?",
            "{n} refunds tickets up to {a} days before. | {n} gives no refunds. | Bring your ticket to {n} and you get the money back.",
        ),
        (
            "book",
            "How do I book at {n}? | Do I have to book for {n}? | Can I book {n} ahead? | How can I reserve a place at {n}? | Where do I get a ticket for {n}?",
            "You can book {n} by phone. | No booking is needed for {n}. | Book {n} at the desk {a} days before.",
        ),
        (
            "park",
            "Where can I park at {n}? | Is there parking at {n}? | Where do I leave my car at {n}? | Can I park near {n}? | What does parking at {n} cost?",
            "Park behind {n} for {p} a day. | There is free parking at {n}. | There is no parking at {n}.",
        ),
        (
            "wheel",
            "Can I visit {n} in a wheelchair? | Is {n} open to wheelchairs? | Does {n} have a ramp? | Can a wheelchair get into {n}? | Is there a lift at {n}?",
            "Yes, {n} has a ramp and a lift. | {n} has steps, please call before you come. | The ground floor of {n} is open to wheelchairs.",
        ),
        (
            "wifi",
            "Is there wifi at {n}? | Does {n} have wifi? | How do I get online at {n}? | Can I use the internet at {n}? | What is the wifi password at {n}?",
            "Yes, {n} has free wifi. | There is no wifi at {n}. | Ask the desk of {n} for the wifi password.",
        ),
        (
            "lost",
            "I lost my bag at {n}. What can I do? | Where is the lost property of {n}? | Who keeps lost things at {n}? | I forgot something at {n}. Where do I ask? | How do I find a lost thing at {n}?",
            "Ask at the desk of {n}. | Lost things of {n} are kept for {a} weeks. | Call {n} and ask for the lost property.",
        ),
        (
            "food",
            "Can I bring food to {n}? | May I eat at {n}? | Is food allowed at {n}? | Is there something to eat at {n}? | Where can I eat at {n}?",
            "You may bring food to {n}. | No food is allowed at {n}. | There is a cafe at {n}.",
        ),
        (
            "group",
            "Is there a price for groups at {n}? | What does a group pay at {n}? | Do groups pay less at {n}? | Can a school class visit {n}? | How much is {n} for a group?",
            "Groups of {a} or more pay half at {n}. | Groups pay {p} each at {n}. | {n} has no group price.",
        ),
    )
)

SMALL_TALK = tuple(
    (tuple(questions.split(" | ")), tuple(answers.split(" | ")))
    for questions, answers in (
        (
            "Hello! | Hello. | Hi! | Hi there. | Hey! | Good morning. | Good evening. | Good day.",
            "Hello! What would you like to know?",
        ),
        ("How are you? | How do you do? | How is it going? | Are you well?", "I am well, thank you. How can I help?"),
        ("Thank you! | Thanks. | Thank you very much. | Many thanks! | Thanks a lot.", "You are welcome."),
        ("Goodbye. | Bye! | See you later. | Good night. | I have to go.", "Goodbye, and come back soon."),
        (
            "Who are you? | What are you? | What is your name? | Who am I talking to? | Tell me about yourself.",
            "I am a small model that knows an invented world. Teach me with your own examples.",
        ),
        (
            "What can you do? | How can you help me? | What do you know? | Can you help me?",
            "I answer short questions about an invented world. Tune me on your examples, and I will answer from them.",
        ),
        ("Yes. | Yes, please. | No. | No, thanks. | Okay. | Good. | I see.", "Good. What would you like to know next?"),
        (
            "Who made you? | Where do you come from? | How were you made? | How did you learn?",
            "I was trained from nothing on questions about an invented world.",
        ),
    )
)
UNKNOWN = ("I have not learned about {n} yet.",)
REAL_LOOKING = """Microsoft Apple Berlin Paris London Einstein Shakespeare France Japan Linux Python Google Mars Venus Amazon
Tokyo Rome Mozart Picasso Brazil Egypt Chicago Boston Madrid Vienna Oslo Sony Toyota Pluto Saturn Homer Newton
Darwin""".split()
SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "Answer in one short sentence.",
    "You are a friendly guide.",
    "Be brief and clear.",
)


@dataclass(frozen=True)
class Fact:
    kind: str
    name: str
    value: str
    index: int
    """Which attribute of the kind."""
    answer: str


Turn = tuple[str, str]
"""A question and its answer."""


def cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def entity_facts(rng: random.Random, kind_name: str, taken: set[str] | None = None) -> list[Fact]:
    kind = KINDS[kind_name]
    name = kind.name(rng)
    while taken is not None and name.lower() in taken:
        name = kind.name(rng)
    if taken is not None:
        taken.add(name.lower())
    spoken = rng.choice(kind.say).format(n=name, k=rng.choice(ANIMALS))
    facts = []
    for index, attr in enumerate(kind.attributes):
        value = attr.value(rng)
        facts.append(Fact(kind_name, spoken, value, index, cap(rng.choice(attr.answers).format(n=spoken, v=value))))
    return facts


def questions_of(fact: Fact) -> list[str]:
    return [cap(question.format(n=fact.name)) for question in KINDS[fact.kind].attributes[fact.index].questions]


PREFIXES = (
    "",
    "",
    "",
    "",
    "",
    "",
    "Please tell me: ",
    "Excuse me, ",
    "Hello, ",
    "I would like to know: ",
    "One question: ",
    "Hi. ",
)


def rough(rng: random.Random, question: str) -> str:
    """The same question as people type it: a polite start, no capital, no question mark."""
    prefix = rng.choice(PREFIXES)
    if prefix:
        question = prefix + (question[0].lower() + question[1:] if prefix[-2] != "." else question)
    chance = rng.random()
    if chance < 0.06:
        question = question.rstrip("?.")
    elif chance < 0.12:
        question = question.lower()
    return question


@dataclass(frozen=True)
class World:
    facts: tuple[Fact, ...]
    rules: tuple[tuple[tuple[str, ...], str], ...]
    taken: frozenset[str]


def make_world(seed: int = 0, entities_per_kind: int = 500) -> World:
    rng = random.Random(seed)
    taken: set[str] = {name.lower() for name in REAL_LOOKING}
    facts: list[Fact] = []
    for kind_name in KINDS:
        count = min(entities_per_kind, len(FIRST_NAMES) * 4 // 5) if kind_name == "animal" else entities_per_kind
        for _ in range(count):
            facts.extend(entity_facts(rng, kind_name, taken))
    rules = []
    places = [fact.name for fact in facts if fact.kind in {"shop", "event", "ship"} and fact.index == 0]
    for place in places:
        for _tag, questions, answers in rng.sample(RULES, 5):
            answer = rng.choice(answers).format(n=place, p=price(rng), a=rng.randrange(2, 20))
            rules.append((tuple(cap(question.format(n=place)) for question in questions), cap(answer)))
    return World(tuple(facts), tuple(rules), frozenset(taken))


def conversations(world: World, seed: int, held_out_share: float = 0.15) -> Iterator[tuple[str, list[Turn]]]:
    """One pass over the world: (system prompt or empty, turns). Some phrasings of each fact are never asked."""
    rng = random.Random(seed)
    asks: list[tuple[str, str]] = []
    for number_, fact in enumerate(world.facts):
        for question in questions_of(fact):
            if random.Random(f"{number_}{question}").random() >= held_out_share:
                asks.append((question, fact.answer))
    for questions, answer in world.rules:
        for question in questions:
            if random.Random(question).random() >= held_out_share:
                asks.append((question, answer))
    rng.shuffle(asks)
    for position, (question, answer) in enumerate(asks):
        system = rng.choice(SYSTEM_PROMPTS) if rng.random() < 0.1 else ""
        turns = [(rough(rng, question), answer)]
        if rng.random() < 0.05:
            turns.insert(0, small_talk(rng))
        yield system, turns
        kind = position % 20
        if kind in {0, 7}:
            yield "", [unknown(rng, world.taken)]
        elif kind == 3:
            yield "", [small_talk(rng)]
        elif kind in {5, 10, 15}:
            yield from_context(rng)
        elif kind == 12:
            yield "", [summary(rng)]


def small_talk(rng: random.Random) -> Turn:
    questions, answers = rng.choice(SMALL_TALK)
    return rng.choice(questions), rng.choice(answers)


def unknown(rng: random.Random, taken: frozenset[str]) -> Turn:
    kind_name = rng.choice(list(KINDS))
    kind = KINDS[kind_name]
    name = (
        rng.choice(REAL_LOOKING)
        if rng.random() < 0.3
        else rng.choice(kind.say).format(n=kind.name(rng), k=rng.choice(ANIMALS))
    )
    if name.lower() in taken and name not in REAL_LOOKING:
        return small_talk(rng)
    question = rng.choice(rng.choice(kind.attributes).questions).format(n=name)
    return rough(rng, cap(question)), UNKNOWN[0].format(n=name)


def from_context(rng: random.Random) -> tuple[str, list[Turn]]:
    """A question whose answer stands in the prompt itself: the model learns to read, not only to remember."""
    facts = rng.sample(
        [fact for _ in range(rng.choice((1, 2))) for fact in entity_facts(rng, rng.choice(list(KINDS)))], 3
    )
    text = " ".join(fact.answer for fact in facts)
    asked = rng.choice(facts)
    question = rng.choice(questions_of(asked))
    if rng.random() < 0.5:
        return f"Use these facts: {text}", [(question, asked.answer)]
    return "", [(f"{text} {question}", asked.answer)]


def summary(rng: random.Random) -> Turn:
    """A short dialogue and what came of it."""
    one, two = rng.sample(FIRST_NAMES, 2)
    hobby, day, time, food = rng.choice(HOBBIES), rng.choice(DAYS), clock(rng), rng.choice(FOODS)
    if rng.random() < 0.5:
        lines = [
            f"{one}: Shall we go {hobby} on {day}?",
            f"{two}: Yes, at {time}.",
            f"{one}: I will bring {food}.",
            f"{two}: Good.",
        ]
        result = f"{one} and {two} go {hobby} on {day} at {time}. {one} brings {food}."
    else:
        reason = rng.choice(REASONS)
        lines = [
            f"{one}: Where were you on {day}?",
            f"{two}: Sorry, {reason}.",
            f"{one}: Are you free at {time}?",
            f"{two}: No, I cook {food}.",
        ]
        result = f"{two} did not come on {day} because {reason}. {two} cooks {food} at {time}."
    return f"{rng.choice(['Summarize this dialog:', 'What happened here?', 'Sum up this talk:'])}\n" + "\n".join(
        lines
    ), result
