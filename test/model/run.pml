/*
 * One run's life, as src/run/run.c has it: who may ask for its end, and the one path that gives back what it holds.
 *
 * The processes are the outside world, each of which may act at any moment: the zygote that answers (or dies), the sandbox that
 * parks (or fails), the program that ends, crashes or says "prompt", and the people and limits that press Stop, close, or
 * shut down. The engine takes their messages one at a time, as the event loop does.
 *
 * Checked, over every interleaving: nothing is released twice, nothing is used after it is given back, no illegal
 * transition (asserts); no deadlock before the end (valid end states); and every run ends (the claim `ends`).
 */

mtype = { parked_state, starting, running, waiting, repl, ended };
mtype = { none, finished, stopped, killed, closed, limit, shutdown, failed };

/* Messages to the engine. */
mtype = { forked, fork_failed, zygote_lost, world_made, world_failed, program_ready, program_ended, hint_repl, reads, computes, keeper_closed, keeper_gone,
          press_stop, press_close, breach, shut_down, grace_over };

chan engine = [4] of { mtype };
chan zygote_in = [1] of { bit };  /* the request to park */
chan program_in = [1] of { bit }; /* the start message */

mtype state = parked_state;
mtype reason = none;

/* What the run holds. */
bool has_folder, has_group, has_keeper_channel, has_pidfd, has_terminal, has_timer;
bool is_parked, has_delivery;
bool forking; /* the zygote owes an answer */
byte released; /* how often release() has run */

/* The sandbox, as the kernel knows it. */
bool keeper_lives, kill_sent, zygote_alive = true, told_gone;
bool program_started, program_over;

inline enter(next) {
        assert(state != ended);
        assert(next != starting || state == parked_state);
        assert(next != running || state == starting || state == waiting);
        assert(next != waiting || state == running);
        assert(next != repl || state == running || state == waiting);
        state = next
}

/* release(): each thing is given back once, and is there or was never got. */
inline release() {
        if
        :: state == ended
        :: else ->
                released++;
                assert(released == 1);
                if :: reason == none -> reason = failed :: else fi;
                has_timer = false;
                has_terminal = false;
                has_pidfd = false;
                has_keeper_channel = false;
                has_delivery = false;
                assert(has_group);
                has_group = false;
                assert(has_folder); /* of its environment's packages */
                has_folder = false;
                enter(ended)
        fi
}

inline end_run(why) {
        if
        :: reason == none && state != ended ->
                reason = why;
                has_timer = false;
                if
                :: has_pidfd -> kill_sent = true
                :: !has_pidfd && !forking -> release()
                :: else /* its fork is on the way: run_forked() will kill it */
                fi
        :: else
        fi
}

inline deliver() {
        assert(has_terminal && has_pidfd);
        enter(starting);
        has_delivery = false;
        program_in!1
}

active proctype Engine() {
        mtype message;
        has_folder = true;
        has_group = true;
        has_keeper_channel = true;
        has_delivery = true; /* somebody has asked for this run; the pool's own differ only in waiting for that */
        forking = true;
        zygote_in!1;
        do
        :: engine?message ->
                if
                :: message == forked ->
                        forking = false;
                        if
                        :: state == ended /* the zygote was lost, and it answered before: find_by_tag() finds nothing */
                        :: else ->
                                has_pidfd = true;
                                if
                                :: reason != none -> kill_sent = true
                                :: reason == none && is_parked -> deliver()
                                :: else
                                fi
                        fi
                :: message == fork_failed -> forking = false; release()
                :: message == zygote_lost ->
                        if :: forking -> forking = false; release() :: else fi
                :: message == world_made ->
                        if
                        :: state == parked_state && has_keeper_channel ->
                                has_terminal = true;
                                is_parked = true;
                                if :: has_pidfd && reason == none -> deliver() :: else fi
                        :: else
                        fi
                :: message == world_failed -> end_run(failed)
                :: message == program_ready ->
                        if :: state == starting -> enter(running) :: else fi
                :: message == program_ended ->
                        if
                        :: reason == none && state != ended ->
                                if :: state == parked_state || state == starting -> reason = failed :: else -> reason = finished fi
                        :: else
                        fi
                :: message == hint_repl ->
                        if
                        :: state == running || state == waiting ->
                                enter(repl);
                                if :: has_timer -> end_run(stopped) :: else fi
                        :: else
                        fi
                :: message == reads -> if :: state == running && reason == none -> enter(waiting) :: else fi
                :: message == computes -> if :: state == waiting && reason == none -> enter(running) :: else fi
                :: message == keeper_closed -> /* its channel; mostly a moment before its pidfd tells */
                        has_keeper_channel = false;
                        end_run(failed)
                :: message == keeper_gone ->
                        assert(!keeper_lives);
                        release()
                :: message == press_stop ->
                        if
                        :: reason != none || state == ended || has_timer
                        :: else ->
                                if
                                :: state == repl || !has_terminal -> end_run(stopped)
                                :: else -> has_timer = true
                                fi
                        fi
                :: message == grace_over -> if :: has_timer -> end_run(killed) :: else fi
                :: message == press_close -> end_run(closed)
                :: message == breach -> if :: state == running || state == repl || state == waiting -> end_run(limit) :: else fi
                :: message == shut_down -> end_run(shutdown)
                fi
        :: state == ended && empty(engine) && _nr_pr == 1 -> break /* all others are done: what came late did no harm */
        od;
        assert(released == 1 && reason != none);
        assert(!has_folder && !has_group && !has_keeper_channel && !has_pidfd && !has_terminal && !has_timer && !has_delivery)
}

/* The zygote and the kernel: a fork, or none, and what becomes of PID 1. */
active proctype Zygote() {
        zygote_in?1;
        if
        :: keeper_lives = true;
                if
                :: engine!forked
                :: zygote_alive = false; engine!zygote_lost /* it died before it could answer */
                fi
        :: engine!fork_failed; told_gone = true; goto over
        :: zygote_alive = false; engine!zygote_lost; told_gone = true; goto over
        fi;
        /* A keeper makes its world, or fails, and lives until it is killed, its program is over, or its channel is closed. */
        if
        :: keeper_lives && !kill_sent -> engine!world_made
        :: keeper_lives && !kill_sent -> engine!world_failed
        :: kill_sent
        fi;
        do
        :: kill_sent || program_over || (!has_keeper_channel && state == ended) -> break
        :: program_in?1 -> program_started = true; engine!program_ready
        od;
        keeper_lives = false;
        if :: engine!keeper_closed :: skip fi;
        if
        :: has_pidfd -> engine!keeper_gone
        :: else
        fi;
        told_gone = true;
over:   skip
}

active proctype Program() {
        program_started || told_gone;
        if
        :: told_gone
        :: else ->
                if :: engine!reads; if :: engine!computes :: skip fi :: skip fi;
                if :: engine!hint_repl :: skip fi;
                if
                :: engine!program_ended; program_over = true
                :: skip /* it runs for ever */
                fi
        fi
}

/* People and limits: each may act once, at any moment; somebody always does in the end (the server is stopped). */
active proctype Stopper() {
        if :: engine!press_stop; if :: engine!press_stop :: skip fi :: skip fi
}
active proctype Clock() {
        if :: has_timer -> engine!grace_over :: state == ended -> skip fi
}
active proctype Others() {
        if :: engine!press_close :: engine!breach :: skip fi;
        engine!shut_down
}

ltl ends { <> (state == ended) }
