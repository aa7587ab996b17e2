/*
 * document: open documents: edits, journal, history.
 *
 * While somebody has a text file open, its text lives here, and the file follows. Editors send updates: change sets on
 * top of a revision, as CodeMirror's collaborative editing makes them. An update is in the journal on the disk before
 * anybody hears that it was taken, so what was acknowledged is never lost: not by a crash, a full disk or a second
 * editor. From the journal come the history and its playback.
 *
 * The room knows texts and the database; it opens no file and speaks to no client (that is web/documents.h). Its parts:
 *     text.h         an immutable text; edits share what they do not change
 *     change.h       change sets: parse, apply, compose, map, invert
 *     difference.h   what makes one text of another, and three-way merges
 *     file_text.h    a file's bytes as a text: line ends, byte-order mark
 *     journal.h      documents and their updates in the database
 *     history.h      the past: who typed when, what was run, and how it is condensed
 *
 * Positions are UTF-16 units everywhere, as editors in a browser count. A revision is the number of updates that made a
 * text, counted from the file as it was first opened. Everything here may be called from any thread, on texts and
 * change sets that no other thread changes (which none does: they are immutable).
 */
#pragma once

#include "change.h"
#include "difference.h"
#include "file_text.h"
#include "history.h"
#include "journal.h"
#include "text.h"
