-- Documents: what was typed into a file, update by update.
--
-- The oldest text that can be had is base_text, of revision `base`; document_update holds what came after it, each row
-- up to and with its revision ("steps" updates in one, where the past was condensed). kept_text spares an opener most of
-- the replaying. `written` is the revision that the file on the disk had last. Ids are random, so that a page which
-- comes back after a restart never takes one document for another. A document that another one took the path of has the
-- moment of it in `gone`; of the living it is 0.

create table document (
        id bigint not null primary key,
        class bigint not null references class (id),
        path text not null,
        gone bigint not null default 0,
        created bigint not null,
        revision bigint not null,
        written bigint not null,
        base bigint not null,
        base_text bytea not null,
        kept bigint not null,
        kept_text bytea not null,
        unique (class, path, gone)
);
create index document_unwritten on document (id) where revision > written;

-- account: null where a program, or somebody outside of Carrel, wrote the file.
create table document_update (
        document bigint not null references document (id),
        revision bigint not null,
        steps bigint not null,
        account bigint references account (id),
        time bigint not null,
        client text not null,
        changes text not null,
        primary key (document, revision)
);

-- Which revision was run, and how that ended.
create table document_mark (
        document bigint not null references document (id),
        run bigint not null,
        revision bigint not null,
        account bigint references account (id),
        time bigint not null,
        reason bigint,
        status bigint,
        primary key (document, run)
);
create index document_mark_run on document_mark (run);
