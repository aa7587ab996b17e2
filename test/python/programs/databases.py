"""Debian ships no tests of sqlite3."""
import dbm, json, shelve, sqlite3
with sqlite3.connect("people.db") as database:
    database.execute("create table person (name text primary key, age integer)")
    database.executemany("insert into person values (?, ?)", [("Ada", 36), ("Grace", 85)])
    try:
        database.execute("insert into person values ('Ada', 1)")
    except sqlite3.IntegrityError as error:
        print(error)
    database.execute("pragma journal_mode = wal")
print(sqlite3.connect("people.db").execute("select sum(age), json_object('n', count(*)) from person").fetchone())
with shelve.open("shelf") as shelf:
    shelf["list"] = [1, 2]
with shelve.open("shelf") as shelf:
    print(dict(shelf), dbm.whichdb("shelf"))
