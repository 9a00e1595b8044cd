"""Improve this search: a few pictures are asked about, what was said is learned and compared, and taken where it is better."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import streamlit as st

from app.search import query_state
from app.search.query_panel import query_of
from app.search.query_state import SearchState
from app.server import encoders, pictures, store
from app.widgets import component, states
from app.widgets.literal import literal
from app.widgets.results_grid import tile
from pipeline.errors import SemblanceError
from pipeline.gallery.gallery import Gallery
from pipeline.search import asking
from pipeline.search import search as searching

ASK = "improve-ask"


@dataclass
class _Asking:
    """About one search. answers: by id, in the order in which they came. only: `Question.only` of those that compare."""

    state: SearchState
    answers: dict[str, bool] = field(default_factory=dict)
    only: dict[str, str] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    round: list[asking.Question] | None = None  # None: the next has to be found; empty: there is none

    @property
    def asked(self) -> int:
        return len(self.answers) + len(self.skipped)

    def marked(self, value: bool) -> tuple[str, ...]:
        return tuple(one for one, answer in self.answers.items() if answer is value)


def improve_button(gallery: Gallery, state: SearchState) -> None:
    """Where pictures ask: words lie elsewhere than pictures do, and aspects are weighed by hand."""
    if state.shows and not (state.texts or state.not_texts or state.aspects):
        said = f"{asking.ANSWERS} pictures, yes or no: what you look for is learned from them"
        if st.button("Improve this search", icon=":material/how_to_reg:", type="tertiary", help=said, key="improve"):
            _improve(gallery, _Asking(state))


@st.dialog("Is this what you are looking for?", width="large")
def _improve(gallery: Gallery, asked: _Asking) -> None:
    try:
        if asked.round is None and asked.asked < asking.ANSWERS:
            with st.spinner("Choosing the pictures that tell the most …"):
                asked.round = _questions(gallery, asked)
    except SemblanceError as error:
        st.error(literal(error))
        return
    if asked.asked < asking.ANSWERS and asked.round:
        _round(gallery, asked, asked.round)
    else:
        _verdict(asked)


def _questions(gallery: Gallery, asked: _Asking) -> list[asking.Question]:
    query = query_of(gallery, asked.state)
    encoder = encoders.of_gallery(gallery) if searching.needs_encoder(gallery, query) else None
    made, _ = store.answered(
        gallery,
        lambda index: asking.questions(
            gallery, store.at_hand(gallery) or index, encoder, query, like=asked.marked(True), unlike=asked.marked(False),
            seen=asked.skipped, where=asked.state.filter(), compare=asked.asked >= asking.ANSWERS - asking.EACH,
            encode=pictures.embeddings,
        ),
    )  # fmt: skip
    asked.only |= {question.hit.id: question.only for question in made}
    return made


def _round(gallery: Gallery, asked: _Asking, questions: list[asking.Question]) -> None:
    st.progress(asked.asked / asking.ANSWERS, text=f"{asked.asked} of {asking.ANSWERS} answered")
    tiles = [tile(gallery.name, question.hit) for question in questions]
    component("yes_no", ("viewer.js", "yes_no.js"), ("yes_no.css",))(
        data={"tiles": tiles}, key=f"{ASK}-{asked.asked}", on_answers_change=lambda: _answered(asked)
    )
    if asked.answers and st.button("That's enough", type="tertiary", help="Learn from what was answered so far"):
        asked.round = []
        st.rerun(scope="fragment")


def _answered(asked: _Asking) -> None:
    said = states.sent(f"{ASK}-{asked.asked}", "answers")
    here = {question.hit.id for question in asked.round or ()}
    if said is not None:
        yes, no, skip = (here.intersection(states.texts(states.part(said, name))) for name in ("yes", "no", "skip"))
        asked.answers |= dict.fromkeys(yes, True) | dict.fromkeys(no, False)
        asked.skipped |= skip
        asked.round = None


def _verdict(asked: _Asking) -> None:
    """What came of it, and the search with it or as it was."""
    like, unlike = asked.marked(True), asked.marked(False)
    state = replace(asked.state, like=(*asked.state.like, *like), unlike=(*asked.state.unlike, *unlike))
    verdict = asking.verdict(asked.answers, asked.only)
    if not like or not unlike:
        every = "is what you look for" if like else "is what you look for, so there is nothing to go by"
        st.info(f"{'Everything' if like else 'Nothing'} that was asked about {every}. The search stays as it is.")
        better = False
    elif not verdict.learned[1] and not verdict.before[1]:
        st.info(f"Learned from {len(like)} yes and {len(unlike)} no; not compared with the search as it was.")
        better = True
    else:
        better = verdict.better
        said = "Better" if verdict.above else "As good as before, at least" if better else "Not better"
        st.markdown(
            f"**{said}.** Of the pictures that only the improved search puts first, "
            f"{_of(verdict.learned)} right; of those that only the search as it was does, {_of(verdict.before)}."
        )
        st.caption("These pictures were not learned from when they were chosen. Now they are.")
    with st.container(horizontal=True):
        use = "Show the improved search" if better else "Use the answers all the same"
        if (like or unlike) and st.button(use, type="primary" if better else "secondary"):
            query_state.change(like=state.like, unlike=state.unlike)
            st.rerun()
        if st.button("Leave the search as it was", type="secondary" if better else "primary"):
            st.rerun()


def _of(counts: tuple[int, int]) -> str:
    right, of = counts
    return f"{right} of {of} {'is' if of == 1 else 'are'}" if of else "there are none, so none is"
