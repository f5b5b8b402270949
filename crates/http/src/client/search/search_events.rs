//! POST /_matrix/client/v3/search (Server Side Search)

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use domicile_app::{
    accounts::{
        RateLimits,
        rate_limits::{Key, Limit},
    },
    search::{ContextWanted, Cursor, Field, Found, FoundContext, Search, SearchAnswer, SearchRequest},
    sync::{filter::EventChoice, token::timeline_token},
};
use domicile_core::error::{ErrorKind, MatrixError};
use ruma::{
    OwnedMxcUri, UInt,
    api::client::search::search_events::v3::{
        Criteria, EventContextResult, GroupingKey, OrderBy, Request, Response, ResultCategories, ResultGroup,
        ResultGroupMap, ResultRoomEvents, SearchKeys, SearchResult, UserProfile,
    },
    serde::Raw,
};
use serde::Deserialize;

use crate::{
    answer::{Answer, Reply},
    error::Failure,
    extract::Authed,
};

/// Results of an answer when the request does not say how many.
const DEFAULT_LIMIT: u64 = 10;
/// Results of an answer at most.
const LARGEST_LIMIT: usize = 100;
/// Events on either side of a result at most.
const LARGEST_CONTEXT: usize = 50;

/// Searches the rooms of a user.
pub(super) async fn search_events(
    State(search): State<Arc<Search>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Searches, Key::Account(request.session.user_num))?;
    let mut categories = ResultCategories::new();
    if let Some(criteria) = request.body.search_categories.room_events {
        let from = request.body.next_batch.as_deref().map(str::parse).transpose()?;
        let groups: Vec<GroupingKey> =
            criteria.groupings.group_by.iter().filter_map(|group| group.key.clone()).collect();
        let wanted = wanted(criteria, from, wants_context(&request.raw))?;
        let found = search.search(&request.session, wanted).await?;
        categories.room_events = told(found, &groups)?;
    }
    Ok(Answer(Response::new(categories)))
}

/// Whether the request names `event_context`, whose absence ruma's type does not tell.
fn wants_context(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Body {
        search_categories: Categories,
    }
    #[derive(Deserialize)]
    struct Categories {
        room_events: RoomEvents,
    }
    #[derive(Deserialize)]
    struct RoomEvents {
        event_context: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Body>(body).is_ok_and(|body| body.search_categories.room_events.event_context.is_some())
}

fn wanted(criteria: Criteria, from: Option<Cursor>, with_context: bool) -> Result<SearchRequest, MatrixError> {
    let fields = match criteria.keys {
        None => Field::ALL.to_vec(),
        Some(keys) => keys
            .iter()
            .map(|key| match key {
                SearchKeys::ContentBody => Ok(Field::Body),
                SearchKeys::ContentName => Ok(Field::Name),
                SearchKeys::ContentTopic => Ok(Field::Topic),
                other => Err(ErrorKind::InvalidParam.with(format!("`{other}` cannot be searched."))),
            })
            .collect::<Result<_, _>>()?,
    };
    let by_rank = match criteria.order_by {
        None | Some(OrderBy::Rank) => true,
        Some(OrderBy::Recent) => false,
        Some(other) => {
            return Err(ErrorKind::InvalidParam.with(format!("Results cannot be ordered by `{other}`.")));
        }
    };
    let bounded = |limit: UInt, largest: usize| usize::try_from(u64::from(limit)).unwrap_or(largest).min(largest);
    let context = with_context.then(|| ContextWanted {
        before: bounded(criteria.event_context.before_limit, LARGEST_CONTEXT),
        after: bounded(criteria.event_context.after_limit, LARGEST_CONTEXT),
        profiles: criteria.event_context.include_profile,
    });
    let limit = criteria.filter.limit.map_or(DEFAULT_LIMIT, u64::from);
    Ok(SearchRequest {
        term: criteria.search_term,
        fields,
        choice: EventChoice::from(&criteria.filter),
        by_rank,
        limit: usize::try_from(limit).unwrap_or(LARGEST_LIMIT).clamp(1, LARGEST_LIMIT),
        context,
        include_state: criteria.include_state == Some(true),
        from,
    })
}

fn told(found: SearchAnswer, groups: &[GroupingKey]) -> Result<ResultRoomEvents, Failure> {
    let mut told = ResultRoomEvents::new();
    for group in groups {
        told.groups.extend([match group {
            GroupingKey::RoomId => ResultGroupMap::RoomId(grouped(&found.results, |found| found.room_id.clone())),
            GroupingKey::Sender => ResultGroupMap::Sender(grouped(&found.results, |found| found.sender.clone())),
            other => {
                return Err(ErrorKind::InvalidParam.with(format!("Results cannot be grouped by `{other}`.")).into());
            }
        }]);
    }
    told.count = UInt::try_from(found.count as u64).ok();
    told.highlights = found.words;
    told.next_batch = found.next.map(|next| next.to_string());
    told.state = found
        .state
        .into_iter()
        .map(|(room_id, events)| (room_id, events.into_iter().map(Raw::from_json).collect()))
        .collect();
    told.results = found
        .results
        .into_iter()
        .map(|found| {
            let mut result = SearchResult::new();
            result.rank = Some(found.rank);
            result.result = Some(Raw::from_json(found.event));
            result.context = found.context.map(context).unwrap_or_default();
            result
        })
        .collect();
    Ok(told)
}

fn context(found: FoundContext) -> EventContextResult {
    let mut told = EventContextResult::new();
    told.start = Some(timeline_token(found.start));
    told.end = Some(timeline_token(found.end));
    told.events_before = found.before.into_iter().map(Raw::from_json).collect();
    told.events_after = found.after.into_iter().map(Raw::from_json).collect();
    for (user_id, (displayname, avatar_url)) in found.profiles {
        let mut profile = UserProfile::new();
        profile.displayname = displayname;
        profile.avatar_url = avatar_url.map(OwnedMxcUri::from);
        told.profile_info.insert(user_id, profile);
    }
    told
}

/// The results of an answer by something that they have, groups in the order of their first results.
fn grouped<K: Ord>(results: &[Found], key: impl Fn(&Found) -> K) -> BTreeMap<K, ResultGroup> {
    let mut groups: BTreeMap<K, ResultGroup> = BTreeMap::new();
    for found in results {
        let order = groups.len() as u64;
        let group = groups.entry(key(found)).or_insert_with(|| {
            let mut group = ResultGroup::new();
            group.order = UInt::try_from(order).ok();
            group
        });
        group.results.push(found.event_id.clone());
    }
    groups
}
